//! Builds this crate to wasm, with the flags that a runtime is built with.

fn main() {
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::new()
        .with_current_project()
        .export_heap_base()
        .import_memory()
        // It is measured as a runtime, but it is none.
        .disable_runtime_version_section_check()
        .build();
}
