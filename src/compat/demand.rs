//! Which version a change demands, and whether the declared one is enough.

use std::fmt;

use semver::Version;
use serde::Serialize;

use super::Level;

/// The part of a version that has to be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bump {
    /// Nothing changed.
    None,
    /// The third part.
    Patch,
    /// The second part.
    Minor,
    /// The first part.
    Major,
}

impl Bump {
    /// Its name as contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }

    /// What the worst change of a manifest of this version demands: before 1.0.0 a breaking change raises the minor version.
    pub fn demanded(old: &Version, worst: Option<Level>) -> Self {
        match worst {
            None => Self::None,
            Some(Level::Patch) => Self::Patch,
            Some(Level::Compatible) => Self::Minor,
            Some(Level::Breaking) if old.major == 0 => Self::Minor,
            Some(Level::Breaking) => Self::Major,
        }
    }

    /// The least version with this part raised.
    pub fn least(self, old: &Version) -> Version {
        let (major, minor, patch) = (old.major, old.minor, old.patch);
        match self {
            Self::None => old.clone(),
            // What was promised for a release may change until it is released.
            _ if !old.pre.is_empty() => Version::new(major, minor, patch),
            Self::Patch => Version::new(major, minor, patch.saturating_add(1)),
            Self::Minor => Version::new(major, minor.saturating_add(1), 0),
            Self::Major => Version::new(major.saturating_add(1), 0, 0),
        }
    }
}

/// Why a declared version does not fit the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The content differs and the version does not.
    SameVersion(Version),
    /// The newer document has the lower version.
    Lowered {
        /// Of the older document.
        old: Version,
        /// Of the newer one.
        new: Version,
    },
    /// The version was raised by too little.
    TooSmall {
        /// What the newer document declares.
        declared: Version,
        /// The least version that would do.
        least: Version,
        /// The level that demands it.
        level: Level,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameVersion(version) => write!(
                f,
                "both documents are version {version} and differ; raise the version of the newer one"
            ),
            Self::Lowered { old, new } => write!(
                f,
                "the version went down from {old} to {new}; give the older document first, or raise the version"
            ),
            Self::TooSmall {
                declared,
                least,
                level,
            } => write!(
                f,
                "version {declared} is too low for a {level} change; declare {least} or higher"
            ),
        }
    }
}

/// Whether the version of the newer document fits what changed; `differs` says whether the contents do, `worst` is the worst level
/// among the changes that count.
///
/// From a pre-release any higher version will do. A pre-release of the least version, such as 2.0.0-rc.1, will do as well.
///
/// # Errors
/// Why it does not fit.
pub fn check(
    old: &Version,
    new: &Version,
    differs: bool,
    worst: Option<Level>,
) -> Result<(), Refusal> {
    if !differs {
        return Ok(());
    }
    if old == new {
        return Err(Refusal::SameVersion(old.clone()));
    }
    if new < old {
        return Err(Refusal::Lowered {
            old: old.clone(),
            new: new.clone(),
        });
    }
    let Some(level) = worst else {
        return Ok(());
    };
    let least = Bump::demanded(old, worst).least(old);
    let core = (new.major, new.minor, new.patch);
    if core < (least.major, least.minor, least.patch) {
        return Err(Refusal::TooSmall {
            declared: new.clone(),
            least,
            level,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn each_level_asks_for_its_part() {
        for (old, level, least) in [
            ("1.2.3", Level::Breaking, "2.0.0"),
            ("1.2.3", Level::Compatible, "1.3.0"),
            ("1.2.3", Level::Patch, "1.2.4"),
            ("0.2.3", Level::Breaking, "0.3.0"),
            ("0.2.3", Level::Compatible, "0.3.0"),
            ("0.2.3", Level::Patch, "0.2.4"),
        ] {
            let old = version(old);
            let bump = Bump::demanded(&old, Some(level));
            assert_eq!(bump.least(&old), version(least), "{old} {level}");
        }
    }

    #[test]
    fn declared_versions_are_held_against_it() {
        let fits =
            |old: &str, new: &str, level| check(&version(old), &version(new), true, level).is_ok();
        assert!(fits("1.2.3", "2.0.0", Some(Level::Breaking)));
        assert!(fits("1.2.3", "2.0.0-rc.1", Some(Level::Breaking)));
        assert!(fits("1.2.3", "3.1.4", Some(Level::Patch)));
        assert!(fits("2.0.0-rc.1", "2.0.0-rc.2", Some(Level::Breaking)));
        assert!(fits("1.0.0", "1.0.1", None));
        assert!(!fits("1.2.3", "1.9.0", Some(Level::Breaking)));
        assert!(!fits("1.2.3", "1.2.9", Some(Level::Compatible)));
        assert!(!fits("1.2.3", "1.2.3", Some(Level::Patch)));
        assert!(!fits("1.2.3", "1.2.3", None));
        assert!(!fits("1.2.3", "1.1.0", Some(Level::Patch)));
        assert!(check(&version("1.0.0"), &version("1.0.0"), false, None).is_ok());
    }
}
