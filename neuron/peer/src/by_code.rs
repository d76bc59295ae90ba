//! Counters by [`Code`], their labels looked up in advance: on a request's way nothing is searched for.

use neuron_proto::Code;
use prometheus::IntCounter;

/// A counter for each code.
#[derive(Clone, Debug)]
pub(crate) struct ByCode(Vec<IntCounter>);

impl ByCode {
    /// `counter`: that of a code by this name.
    pub(crate) fn new(counter: impl Fn(&str) -> IntCounter) -> ByCode {
        let counters = Code::ALL.iter().map(|code| counter(&code.to_string()));
        ByCode(counters.collect())
    }

    pub(crate) fn inc(&self, code: Code) {
        self.0[code as usize].inc();
    }

    pub(crate) fn get(&self, code: Code) -> u64 {
        self.0[code as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, Opts};

    use super::*;

    #[test]
    fn every_code_has_its_own() {
        let counters = IntCounterVec::new(Opts::new("calls", "Calls"), &["code"]).unwrap();
        let by_code = ByCode::new(|code| counters.with_label_values(&[code]));
        for code in Code::ALL {
            by_code.inc(code);
            assert_eq!(by_code.get(code), 1, "{code}");
            assert_eq!(counters.with_label_values(&[&code.to_string()]).get(), 1);
        }
    }
}
