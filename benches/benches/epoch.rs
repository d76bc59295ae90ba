//! An epoch: natively, and in WebAssembly as the node runs a runtime.
//!
//! `cargo bench -p connectome-benches --bench epoch`; `-- native` or `-- wasm` for one of both.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use connectome_benches::{MODES, Network, WASM, checksum, params};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode};

/// Neurons and validators; each validator rates all others and holds bonds in all others.
const SIZES: [(u16, u16); 4] = [(256, 64), (1_024, 64), (4_096, 64), (512, 512)];

fn native(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("native");
    for (n, validators) in SIZES {
        let network = Network::dense(n, validators, 1);
        for (mode, name) in MODES.iter().enumerate() {
            let id = BenchmarkId::new(*name, format!("{n}x{validators}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    black_box(&network)
                        .epoch(&params(mode))
                        .expect("a legal network")
                });
            });
        }
    }
    // Linear in the entries: a 16th of them, and a network in which nobody says anything.
    for (name, rated) in [("a_16th", 256), ("none", 0)] {
        let network = Network::new(4_096, 64, rated, 1);
        group.bench_function(
            BenchmarkId::new("relative", format!("4096x64_{name}")),
            |bencher| {
                bencher.iter(|| {
                    black_box(&network)
                        .epoch(&params(0))
                        .expect("a legal network")
                });
            },
        );
    }
    group.finish();
}

/// The executor of the node, and the code that it runs.
struct Node {
    executor: WasmExecutor<sp_io::SubstrateHostFunctions>,
    code: &'static [u8],
}

impl Node {
    /// `measure` of the code: makes a network and computes this many epochs. Returns the checksum of the last one.
    fn measure(&self, n: u16, validators: u16, mode: usize, repetitions: u64) -> u64 {
        let repetitions = u32::try_from(repetitions).expect("criterion repeats less often");
        let arguments: Vec<u8> = [n, validators, u16::try_from(mode).expect("one of three")]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .chain(repetitions.to_le_bytes())
            .collect();
        let fetcher = WrappedRuntimeCode(self.code.into());
        let code = RuntimeCode {
            code_fetcher: &fetcher,
            heap_pages: None,
            hash: vec![1],
        };
        let mut externalities = sp_io::TestExternalities::default();
        let (result, _) = self.executor.call(
            &mut externalities.ext(),
            &code,
            "measure",
            &arguments,
            CallContext::Offchain,
        );
        let result = result.expect("the code does not panic");
        u64::from_le_bytes(result.try_into().expect("eight bytes"))
    }

    /// How long this many epochs take, without making the network and starting the instance.
    fn time(&self, n: u16, validators: u16, mode: usize, repetitions: u64) -> Duration {
        let started = Instant::now();
        self.measure(n, validators, mode, 0);
        let start = started.elapsed();
        let started = Instant::now();
        self.measure(n, validators, mode, repetitions);
        started.elapsed().saturating_sub(start)
    }
}

fn wasm(criterion: &mut Criterion) {
    let Some(code) = WASM else {
        println!("wasm: skipped, this was built with SKIP_WASM_BUILD");
        return;
    };
    let node = Node {
        executor: WasmExecutor::builder().build(),
        code,
    };
    let mut group = criterion.benchmark_group("wasm");
    for (n, validators) in SIZES {
        for (mode, name) in MODES.iter().enumerate() {
            // The same bits on every machine.
            let native = Network::dense(n, validators, 1)
                .epoch(&params(mode))
                .expect("a legal network");
            assert_eq!(node.measure(n, validators, mode, 1), checksum(&native));

            let id = BenchmarkId::new(*name, format!("{n}x{validators}"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|repetitions| node.time(n, validators, mode, repetitions));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, native, wasm);
criterion_main!(benches);
