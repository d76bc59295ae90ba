//! How polkadot.js seals a key under a password: scrypt, then XSalsa20-Poly1305.
//!
//! `salt (32) ‖ N, p, r (4 each, little-endian) ‖ nonce (24) ‖ sealed`.

use crypto_secretbox::{Key, KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use zeroize::Zeroizing;

use crate::KeyFileError;

/// What polkadot.js uses today: 128 MiB and about half a second for each guess.
const COST: Cost = Cost {
    n: 1 << 17,
    p: 1,
    r: 8,
};

/// What polkadot.js ever used. Others are refused, since a file could ask for any amount of memory and time.
const KNOWN_COSTS: [Cost; 6] = [
    Cost {
        n: 1 << 13,
        p: 10,
        r: 8,
    },
    Cost {
        n: 1 << 14,
        p: 5,
        r: 8,
    },
    Cost {
        n: 1 << 15,
        p: 3,
        r: 8,
    },
    Cost {
        n: 1 << 15,
        p: 1,
        r: 8,
    },
    Cost {
        n: 1 << 16,
        p: 2,
        r: 8,
    },
    COST,
];

/// What makes guessing expensive.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Cost {
    /// Memory, in units of `128 · r` bytes.
    n: u32,
    /// How often.
    p: u32,
    /// Size of a block.
    r: u32,
}

impl Cost {
    fn encode(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (part, value) in bytes.chunks_exact_mut(4).zip([self.n, self.p, self.r]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; 12]) -> Result<Cost, KeyFileError> {
        let [n0, n1, n2, n3, p0, p1, p2, p3, r0, r1, r2, r3] = *bytes;
        let found = Cost {
            n: u32::from_le_bytes([n0, n1, n2, n3]),
            p: u32::from_le_bytes([p0, p1, p2, p3]),
            r: u32::from_le_bytes([r0, r1, r2, r3]),
        };
        match KNOWN_COSTS.contains(&found) {
            true => Ok(found),
            false => Err(KeyFileError::Cost {
                n: found.n,
                p: found.p,
                r: found.r,
            }),
        }
    }
}

/// Seals `secret` under `password`.
pub(crate) fn seal(secret: &[u8], password: &str) -> Vec<u8> {
    let mut salt = [0; 32];
    let mut nonce = Nonce::default();
    for random in [&mut salt[..], &mut nonce[..]] {
        getrandom::fill(random).expect("the operating system provides randomness");
    }
    let sealed = cipher(password, &salt, COST)
        .encrypt(&nonce, secret)
        .expect("a key is short enough to be sealed");
    [&salt[..], &COST.encode(), &nonce, &sealed].concat()
}

/// Opens what [`seal`] or polkadot.js sealed.
pub(crate) fn open(bytes: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let parts = || {
        let (salt, rest) = bytes.split_first_chunk::<32>()?;
        let (cost, rest) = rest.split_first_chunk::<12>()?;
        let (nonce, sealed) = rest.split_first_chunk::<24>()?;
        Some((salt, cost, nonce, sealed))
    };
    let (salt, cost, nonce, sealed) = parts().ok_or(KeyFileError::Corrupt("it is too short"))?;
    cipher(password, salt, Cost::decode(cost)?)
        .decrypt(Nonce::from_slice(nonce), sealed)
        .map(Zeroizing::new)
        .map_err(|_| KeyFileError::WrongPassword)
}

fn cipher(password: &str, salt: &[u8; 32], cost: Cost) -> XSalsa20Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    let log_n = u8::try_from(cost.n.ilog2()).expect("a u32 has 32 bits");
    let params = scrypt::Params::new(log_n, cost.r, cost.p, key.len())
        .expect("every known cost is one that scrypt can do");
    scrypt::scrypt(password.as_bytes(), salt, &params, key.as_mut())
        .expect("32 bytes are a length that scrypt can do");
    XSalsa20Poly1305::new(Key::from_slice(key.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_password_alone() {
        let sealed = seal(b"secret", "password");
        assert_eq!(open(&sealed, "password").unwrap().as_slice(), b"secret");
        assert!(matches!(
            open(&sealed, "Password"),
            Err(KeyFileError::WrongPassword)
        ));
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(
            open(&changed, "password"),
            Err(KeyFileError::WrongPassword)
        ));
    }

    #[test]
    fn nothing_is_sealed_the_same_way_twice() {
        let (one, other) = (seal(b"secret", "p"), seal(b"secret", "p"));
        for part in [0..32, 44..68, 68..one.len()] {
            assert_ne!(one[part.clone()], other[part]);
        }
    }

    #[test]
    fn a_file_cannot_ask_for_memory_without_end() {
        let mut bytes = vec![0; 100];
        bytes[32..44].copy_from_slice(
            &Cost {
                n: 1 << 31,
                p: 1,
                r: 8,
            }
            .encode(),
        );
        assert!(matches!(
            open(&bytes, ""),
            Err(KeyFileError::Cost {
                n: 0x8000_0000,
                p: 1,
                r: 8
            })
        ));
    }

    #[test]
    fn bytes_cut_short_are_corrupt() {
        for length in [0, 31, 43, 67] {
            assert!(matches!(
                open(&vec![0; length], ""),
                Err(KeyFileError::Corrupt(_))
            ));
        }
    }

    #[test]
    fn every_known_cost_is_read() {
        for cost in KNOWN_COSTS {
            assert!(Cost::decode(&cost.encode()).is_ok_and(|read| read == cost));
        }
    }
}
