//! Secrets of tenants, encrypted with a key that the operator holds and no broker sees.
//!
//! 1. A value is sealed by AES-256-GCM under a nonce of its own. Its tenant and its name
//!    are authenticated with it: what lies in another's place does not open.
//! 2. The first key of a [`Keyring`] seals; each of them opens what names it. So a new key
//!    is put before the old one, and the old one goes once nothing names it.
//! 3. Neither a key nor a value is ever formatted: no error, log or debug text has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes by which a key is named.
const ID: usize = 8;
/// How a sealed value begins: version, key, nonce.
const HEAD: usize = 1 + ID + NONCE_LEN;
const VERSION: u8 = 1;
/// The longest value, in bytes: what is sealed is an entry of a shelf.
pub const MAX_VALUE: usize = 8 * 1024;

/// Why a key or a sealed value is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A text that is no key. It is not shown.
    #[error("a key for secrets is {KEY} bytes in Base64: `lovage secrets key` makes one")]
    Key,
    /// There is no key at all.
    #[error("there is no key for secrets: `secrets.key_file` or LOVAGE_SECRETS__KEY says which")]
    NoKey,
    /// It was sealed with a key that is not here.
    #[error("secret `{0}` was encrypted with a key that is not here")]
    Unknown(String),
    /// It is not what was sealed under this name.
    #[error("secret `{0}` cannot be decrypted: it is damaged, or was moved here")]
    Broken(String),
    /// The value is too long.
    #[error("a secret has at most {MAX_VALUE} bytes")]
    TooLong,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// The operator's keys.
pub struct Keyring(Vec<Key>);

struct Key {
    id: [u8; ID],
    key: LessSafeKey,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

/// A new key, as it is written.
///
/// # Errors
/// [`VaultError::Random`]
pub fn new_key() -> Result<String, VaultError> {
    let mut key = [0; KEY];
    let filled = SystemRandom::new().fill(&mut key);
    filled.map_err(|_| VaultError::Random)?;
    Ok(STANDARD.encode(key))
}

impl Keyring {
    /// Reads keys, one a line: the first of them seals.
    ///
    /// # Errors
    /// [`VaultError::Key`] for what is none, [`VaultError::NoKey`] where there is none.
    pub fn read(text: &str) -> Result<Self, VaultError> {
        let keys: Result<Vec<Key>, _> = text.split_whitespace().map(read).collect();
        match keys? {
            keys if keys.is_empty() => Err(VaultError::NoKey),
            keys => Ok(Keyring(keys)),
        }
    }

    /// Encrypts a value for its place.
    ///
    /// # Errors
    /// A value that is too long.
    pub fn seal(&self, tenant: &str, name: &str, value: &str) -> Result<Vec<u8>, VaultError> {
        if value.len() > MAX_VALUE {
            return Err(VaultError::TooLong);
        }
        let key = self.0.first().ok_or(VaultError::NoKey)?;
        let mut nonce = [0; NONCE_LEN];
        let filled = SystemRandom::new().fill(&mut nonce);
        filled.map_err(|_| VaultError::Random)?;
        let mut text = value.as_bytes().to_vec();
        let (nonce_of, place) = (Nonce::assume_unique_for_key(nonce), place(tenant, name));
        let sealed = key.key.seal_in_place_append_tag(nonce_of, place, &mut text);
        sealed.map_err(|_| VaultError::TooLong)?;
        let mut sealed = Vec::with_capacity(HEAD + text.len());
        sealed.push(VERSION);
        sealed.extend(key.id);
        sealed.extend(nonce);
        sealed.extend(text);
        Ok(sealed)
    }

    /// Decrypts what was sealed for this place.
    ///
    /// # Errors
    /// A key that is not here, and what is not what was sealed.
    pub fn open(&self, tenant: &str, name: &str, sealed: &[u8]) -> Result<String, VaultError> {
        let broken = || VaultError::Broken(name.to_owned());
        let id = key_id(sealed).ok_or_else(broken)?;
        let key = self.0.iter().find(|it| it.id == id);
        let key = key.ok_or_else(|| VaultError::Unknown(name.to_owned()))?;
        let (head, text) = sealed.split_at_checked(HEAD).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + ID..]).map_err(|_| broken())?;
        let mut text = text.to_vec();
        let opened = key.key.open_in_place(nonce, place(tenant, name), &mut text);
        let length = opened.map_err(|_| broken())?.len();
        text.truncate(length);
        String::from_utf8(text).map_err(|_| broken())
    }

    /// Whether it was sealed with the first key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let first = self.0.first().map(|it| it.id);
        first.is_some() && first == key_id(sealed)
    }
}

fn read(text: &str) -> Result<Key, VaultError> {
    let bytes = STANDARD.decode(text).map_err(|_| VaultError::Key)?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| VaultError::Key)?;
    // Of the key's hash no way leads back to it.
    let hash = blake3::derive_key("lovage 2026 id of a key for secrets", &bytes);
    let mut id = [0; ID];
    id.copy_from_slice(&hash[..ID]);
    Ok(Key {
        id,
        key: LessSafeKey::new(key),
    })
}

fn key_id(sealed: &[u8]) -> Option<[u8; ID]> {
    match sealed.split_first()? {
        (&VERSION, rest) => rest.get(..ID)?.try_into().ok(),
        _ => None,
    }
}

/// Where a value belongs. Names of tenants have no zero in them, so no two places are one.
fn place(tenant: &str, name: &str) -> Aad<Vec<u8>> {
    Aad::from(
        [
            b"lovage secret\0",
            tenant.as_bytes(),
            b"\0",
            name.as_bytes(),
        ]
        .concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(keys: &[&str]) -> Keyring {
        Keyring::read(&keys.join("\n")).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_own_place_alone() {
        let key = new_key().unwrap();
        let keyring = keyring(&[&key]);
        let sealed = keyring.seal("acme", "smtp", "hunter2").unwrap();
        assert!(!sealed.windows(7).any(|it| it == b"hunter2"));
        assert_eq!(keyring.open("acme", "smtp", &sealed).unwrap(), "hunter2");
        let broken = |name: &str| Err(VaultError::Broken(name.into()));
        assert_eq!(keyring.open("evil", "smtp", &sealed), broken("smtp"));
        assert_eq!(keyring.open("acme", "other", &sealed), broken("other"));
        for at in [0, HEAD, sealed.len() - 1] {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(keyring.open("acme", "smtp", &bent), broken("smtp"), "{at}");
        }
        for length in 0..sealed.len() {
            let cut = keyring.open("acme", "smtp", &sealed[..length]);
            assert!(cut.is_err(), "{length}");
        }
        let again = keyring.seal("acme", "smtp", "hunter2").unwrap();
        assert_ne!(sealed, again, "each has a nonce of its own");
    }

    #[test]
    fn a_new_key_goes_first_and_the_old_one_still_opens() {
        let (old, new) = (new_key().unwrap(), new_key().unwrap());
        let sealed = keyring(&[&old]).seal("t", "n", "value").unwrap();
        let both = keyring(&[&new, &old]);
        assert_eq!(both.open("t", "n", &sealed).unwrap(), "value");
        assert!(!both.is_current(&sealed));
        let sealed = both.seal("t", "n", "value").unwrap();
        assert!(both.is_current(&sealed));
        let unknown = Err(VaultError::Unknown("n".into()));
        assert_eq!(keyring(&[&old]).open("t", "n", &sealed), unknown);
        assert_eq!(keyring(&[&new]).open("t", "n", &sealed).unwrap(), "value");
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_shown() {
        assert_eq!(Keyring::read(" \n").unwrap_err(), VaultError::NoKey);
        for text in ["short", "c2hvcnQ=", &"A".repeat(43)] {
            let e = Keyring::read(text).unwrap_err();
            assert!(e == VaultError::Key && !e.to_string().contains(text));
        }
        let key = new_key().unwrap();
        assert!(!format!("{:?}", keyring(&[&key])).contains(&key));
        let long = "x".repeat(MAX_VALUE + 1);
        let sealed = keyring(&[&key]).seal("t", "n", &long);
        assert_eq!(sealed, Err(VaultError::TooLong));
    }
}
