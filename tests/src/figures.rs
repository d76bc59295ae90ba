//! What processes tell Prometheus.

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// All figures of a process at one moment.
#[derive(Clone, Debug)]
pub struct Figures(String);

impl Figures {
    /// Asks the process that answers at `address` for them.
    ///
    /// # Errors
    ///
    /// If it gives none.
    pub async fn of(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        Ok(Self(answer))
    }

    /// The figure of this `name`, which its labels belong to: `substrate_block_height{status="best"}`.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn get(&self, name: &str) -> Result<f64> {
        let mut lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let figure = lines.find(|(found, _)| *found == name);
        let (_, value) = figure.with_context(|| format!("no {name} in {}", self.0))?;
        value.parse().with_context(|| format!("{name} is {value}"))
    }
}
