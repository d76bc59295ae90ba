//! A module of PyTorch with all that it learns: parameters by gradients, buffers by what passes through it.
//!
//! Buffers are running statistics and the like. libtorch names them if they are declared parameters, see [`archive`]: so
//! they are copied, checkpointed and gone on with like any other.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashSet},
    fs,
    sync::Arc,
};

use tch::{CModule, Device, Kind, TchError, Tensor, jit};

use super::archive;
use crate::{checkpoint, export::ExportError, parameters::Parameters, synapse::Mode};

/// A module, and the file that it was read from.
pub(super) struct Module {
    /// Read again for each copy.
    file: Arc<[u8]>,
    device: Device,
    /// Its mode is the module's own, and set for each pass.
    module: RefCell<CModule>,
    /// What gradients move, sharing memory with the module.
    learned: Parameters,
    /// Names of its buffers that may change.
    buffers: Arc<BTreeSet<String>>,
}

impl Module {
    /// # Errors
    ///
    /// If these bytes are no module.
    pub(super) fn read(file: Arc<[u8]>, device: Device) -> Result<Module, TchError> {
        let parameters = names_of_parameters(&file, device)?;
        let module = load(&file, device)?;
        let named = module.named_parameters()?;
        let buffers = named
            .iter()
            .filter(|(name, tensor)| !parameters.contains(name) && may_change(tensor))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Module {
            device,
            learned: learned(named, &parameters),
            buffers: Arc::new(buffers),
            module: RefCell::new(module),
            file,
        })
    }

    /// What it was read from.
    pub(super) fn file(&self) -> &Arc<[u8]> {
        &self.file
    }

    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// # Shapes
    ///
    /// Those of the module
    pub(super) fn forward(&self, inputs: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let mut module = self.module.borrow_mut();
        match mode {
            Mode::Training => module.f_set_train()?,
            Mode::Evaluation => module.f_set_eval()?,
        }
        // The optimiser of graphs gives other roundings after a few calls than in the first.
        jit::f_set_graph_executor_optimize(false)?;
        module.forward_ts(&[inputs])
    }

    /// What gradients move, by its path in the module.
    pub(super) fn parameters(&self) -> Parameters {
        shared(&self.learned)
    }

    /// What changes otherwise, by its path in the module.
    pub(super) fn buffers(&self) -> Parameters {
        let named = self.module.borrow().named_parameters();
        // Asked each time: a module may put another tensor in the place of one.
        named
            .expect("the module named them when it was read")
            .into_iter()
            .filter(|(name, _)| self.buffers.contains(name))
            .collect()
    }

    /// The same in memory of its own, collecting no gradients.
    ///
    /// # Errors
    ///
    /// If a buffer has become of another shape.
    pub(super) fn copy(&self) -> Result<Module, TchError> {
        let _no_grad = tch::no_grad_guard();
        let module = load(&self.file, self.device)?;
        let named = module.named_parameters()?;
        let is_learned = |name: &String| self.learned.contains_key(name);
        let copy = Module {
            file: self.file.clone(),
            device: self.device,
            learned: named
                .into_iter()
                .filter(|(name, _)| is_learned(name))
                .collect(),
            buffers: self.buffers.clone(),
            module: RefCell::new(module),
        };
        for (own, theirs) in [
            (&copy.learned, &self.learned),
            (&copy.buffers(), &self.buffers()),
        ] {
            for (name, tensor) in own {
                let mut tensor = tensor.shallow_clone();
                tensor.f_requires_grad_(false)?.f_copy_(&theirs[name])?;
            }
        }
        Ok(copy)
    }

    /// What `torch.jit.save` would write of the module as it has become: in the mode that it was read in, with what it calls
    /// parameters and buffers.
    ///
    /// # Errors
    ///
    /// [`ExportError::Module`] if it cannot be put together, [`ExportError::Torch`] if a buffer has become of another shape.
    pub(super) fn export(&self) -> Result<Vec<u8>, ExportError> {
        let _no_grad = tch::no_grad_guard();
        let module = load(&self.file, Device::Cpu)?;
        let mut learned = self.parameters();
        learned.append(&mut self.buffers());
        for (name, tensor) in module.named_parameters()? {
            if let Some(value) = learned.get(&name) {
                tensor.shallow_clone().f_copy_(value)?;
            }
        }
        let named = saved(&module)?;
        let exported = archive::declare_as(&named, &self.file).map_err(failed)?;
        // Of how libtorch names classes there is no promise.
        let [theirs, ours] =
            [&self.file[..], &exported].map(|file| names_of_parameters(file, Device::Cpu));
        match theirs? == ours? {
            true => Ok(exported),
            false => Err(ExportError::Module(
                "libtorch has written it with classes of other names".to_owned(),
            )),
        }
    }
}

/// What libtorch writes of a module, which it does to files only.
fn saved(module: &CModule) -> Result<Vec<u8>, ExportError> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("model.pt");
    module.save(&path)?;
    fs::read(path).map_err(failed)
}

fn failed(error: impl ToString) -> ExportError {
    ExportError::Module(error.to_string())
}

/// The module in a file, all of its tensors named.
fn load(file: &[u8], device: Device) -> Result<CModule, TchError> {
    let archive = archive::name_all_tensors(file)?;
    CModule::load_data_on_device(&mut &archive[..], device)
}

/// The names of what the module itself calls its parameters.
fn names_of_parameters(mut file: &[u8], device: Device) -> Result<HashSet<String>, TchError> {
    let module = CModule::load_data_on_device(&mut file, device)?;
    let named = module.named_parameters()?.into_iter();
    Ok(named.map(|(name, _)| name).collect())
}

/// Which of a module's tensors gradients move.
fn learned(named: Vec<(String, Tensor)>, parameters: &HashSet<String>) -> Parameters {
    // One that is used in two places is listed under two names, and would be moved twice.
    let mut seen = HashSet::new();
    named
        .into_iter()
        .filter(|(name, tensor)| {
            parameters.contains(name) && tensor.kind() == Kind::Float && tensor.requires_grad()
        })
        .filter(|(_, tensor)| seen.insert(tensor.data_ptr()))
        .collect()
}

/// Whether a buffer may change, and a checkpoint hold it. Masks are constants: what is infinite, and what repeats one number
/// along an axis without memory for each.
fn may_change(tensor: &Tensor) -> bool {
    let repeats = |(size, stride): (&i64, &i64)| *size > 1 && *stride == 0;
    checkpoint::holds(tensor.kind())
        && !tensor.size().iter().zip(&tensor.stride()).any(repeats)
        && tensor.isfinite().all().int64_value(&[]) != 0
}

fn shared(tensors: &Parameters) -> Parameters {
    tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .collect()
}
