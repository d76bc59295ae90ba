//! Writes libtorch's folder into what is linked here, so that it runs without LD_LIBRARY_PATH.

fn main() {
    // Set by torch-sys: https://doc.rust-lang.org/cargo/reference/build-scripts.html#the-links-manifest-key
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
