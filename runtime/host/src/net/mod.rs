//! What leaves this host for others, on behalf of those whom it does not trust: the
//! requests of tasks, and web-hooks. It knows grants, and neither engine nor broker.
//!
//! # Layout
//! - [`address`]: which addresses a connection may lead to
//! - [`names`]: from a name to addresses, each of them judged
//! - [`http`]: a request and its answer as messages, and what a request may be
//! - [`dial`]: sends one
//! - [`gate`]: an attempt's way out
//! - [`tcp`]: an attempt's connections
//!
//! # How a name is held
//! A name is looked up once for a connection, every address that it gives is judged, and
//! the connection goes to one that passed. So there is no second look whose answer could
//! be another (DNS rebinding). Nothing here follows a redirect: whoever asked sees it, and
//! what they then ask for is judged as any request.

pub mod address;
pub mod dial;
pub mod gate;
pub mod http;
pub mod names;
pub mod tcp;

pub use self::dial::Dialer;
pub use self::gate::Gate;
pub use self::http::{Bounds, HttpAnswer, HttpFailure, HttpRequest, Part};
pub use self::tcp::{Connections, TcpAnswer, TcpBounds, TcpCall, TcpFailure};
