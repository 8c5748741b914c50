//! Spans and sizes as people write them: the queue's, since flows are written with them
//! too.

pub use lovage_queue::units::{Size, Span, UnitError, exact, short};
