//! The interfaces as Rust types, generated. What they share with those that are wasmtime's
//! own has wasmtime's types.

#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "lovage:machine/sockets",
    imports: {
        "wasi:sockets/tcp.[drop]tcp-socket": async | trappable,
        default: trappable,
    },
    require_store_data_send: true,
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
        "wasi:sockets/tcp.tcp-socket": super::tcp::Socket,
        "wasi:sockets/ip-name-lookup.resolve-address-stream": super::names::Found,
    },
});
