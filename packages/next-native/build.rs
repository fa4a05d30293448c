//! What linkers of some systems are told about modules of Node.js.

fn main() {
    napi_build::setup();
}
