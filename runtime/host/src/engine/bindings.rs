//! The contract of `wit/` as Rust types, generated.

#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "wanting-module",
    imports: {
        "lovage:task/context.progress": async,
        "lovage:task/context.checkpoint": async,
        "lovage:task/context.restore": async,
        "lovage:task/jobs.enqueue": async,
        "lovage:task/jobs.enqueue-flow": async,
        "lovage:task/jobs.enqueue-page": async,
        "wasi:config/store.get": async,
        "wasi:config/store.get-all": async,
    },
    exports: { default: async },
});
