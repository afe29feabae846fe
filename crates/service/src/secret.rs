//! What must not be seen: tokens, and addresses with passwords in them.

use std::fmt;
use std::ops::Deref;

/// A text that no `Debug` output shows. It has no `Display`: whoever needs it dereferences it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_shown() {
        let secret = Secret::from("swordfish".to_owned());
        assert_eq!(&*secret, "swordfish");
        assert!(!format!("{secret:?} {:#?}", Some(&secret)).contains("swordfish"));
    }
}
