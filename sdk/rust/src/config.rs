//! Values and secrets that the module was granted, by name.

use crate::{CallError, host};

/// A value or a secret of the tenant's, if there is one. The module wants it by
/// [`wants!`](crate::wants): `config KEY` or `secret KEY`; what was not granted is a [`CallError::Denied`].
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::testing::Context;
///
/// lovage::wants!["config smtp-host"];
///
/// #[lovage::task]
/// fn server() -> Result<String, lovage::Failure> {
///     let host = lovage::config::get("smtp-host")?;
///     Ok(host.unwrap_or_else(|| "localhost".into()))
/// }
///
/// let (result, _) = Context::new().config("smtp-host", "mail.example.com").run(server);
/// assert_eq!(result.unwrap(), "mail.example.com");
/// ```
pub fn get(key: &str) -> Result<Option<String>, CallError> {
    host::config(key)
}
