//! The words that generated manifests are made of. Those of names differ from each other in at least three letters, so that no two
//! names look like a slip of the pen.

use std::collections::HashSet;

use super::chance::Chance;

/// What an action does, by the method that it uses.
pub(super) const READS: &[&str] = &[
    "list",
    "search",
    "fetch",
    "inspect",
    "compare",
    "estimate",
    "preview",
    "summarise",
];
/// Verbs that make something.
pub(super) const MAKES: &[&str] = &[
    "create",
    "submit",
    "register",
    "schedule",
    "reserve",
    "publish",
    "import",
    "duplicate",
];
/// Verbs that change something.
pub(super) const CHANGES: &[&str] = &[
    "rename", "adjust", "relocate", "reassign", "annotate", "prolong", "approve", "suspend",
];
/// Verbs that remove something.
pub(super) const REMOVES: &[&str] = &["delete", "withdraw", "archive", "discard"];

/// A part of a business: its name, and the things in it.
pub(super) const DOMAINS: &[(&str, &[&str])] = &[
    (
        "billing",
        &[
            "invoices",
            "payments",
            "credit_notes",
            "dunning_letters",
            "tax_reports",
        ],
    ),
    (
        "calendar",
        &[
            "meetings",
            "free_slots",
            "resources",
            "invitations",
            "public_holidays",
        ],
    ),
    (
        "contacts",
        &[
            "customers",
            "organisations",
            "households",
            "mailing_lists",
            "consents",
        ],
    ),
    (
        "delivery",
        &[
            "shipments",
            "parcels",
            "carriers",
            "routes",
            "proofs_of_receipt",
        ],
    ),
    (
        "documents",
        &[
            "contracts",
            "attachments",
            "templates",
            "signatures",
            "translations",
        ],
    ),
    (
        "inventory",
        &[
            "articles",
            "warehouses",
            "stock_levels",
            "suppliers",
            "serial_numbers",
        ],
    ),
    (
        "payroll",
        &[
            "employees",
            "timesheets",
            "absences",
            "bonuses",
            "pension_plans",
        ],
    ),
    (
        "support",
        &[
            "tickets",
            "escalations",
            "knowledge_pages",
            "satisfaction_surveys",
            "chat_logs",
        ],
    ),
    (
        "travel",
        &[
            "bookings",
            "itineraries",
            "hotel_rooms",
            "rental_cars",
            "expense_claims",
        ],
    ),
    (
        "marketing",
        &[
            "campaigns",
            "audiences",
            "newsletters",
            "landing_pages",
            "coupons",
        ],
    ),
    (
        "facilities",
        &[
            "buildings",
            "work_orders",
            "meter_readings",
            "access_badges",
            "cleaning_plans",
        ],
    ),
    (
        "research",
        &[
            "experiments",
            "samples",
            "data_sets",
            "publications",
            "grant_proposals",
        ],
    ),
];

/// What tells actions with the same verb and thing from each other.
const QUALIFIERS: &[&str] = &[
    "for_branch",
    "by_region",
    "of_partner",
    "in_bulk",
    "as_draft",
    "with_history",
    "under_review",
    "for_auditors",
    "by_priority",
    "across_tenants",
    "on_weekends",
    "per_department",
    "for_newcomers",
    "of_last_quarter",
    "in_escrow",
    "by_language",
    "with_discount",
    "for_resellers",
    "at_headquarters",
    "from_legacy_system",
    "by_cost_centre",
    "for_insurance",
    "during_migration",
    "with_witness",
    "of_subsidiary",
    "in_quarantine",
    "for_export_control",
    "by_maturity",
];

/// Adjectives and such, first part of a member's name.
const ATTRIBUTES: &[&str] = &[
    "billing",
    "customer",
    "default",
    "expected",
    "external",
    "final",
    "first",
    "gross",
    "internal",
    "invoice",
    "last",
    "local",
    "maximum",
    "minimum",
    "net",
    "original",
    "parent",
    "preferred",
    "previous",
    "primary",
    "public",
    "related",
    "remaining",
    "requested",
    "secondary",
    "shipping",
    "source",
    "target",
    "temporary",
    "total",
    "updated",
    "verified",
];

/// Second part of a member's name.
const MEMBERS: &[&str] = &[
    "account",
    "address",
    "agreement",
    "balance",
    "category",
    "channel",
    "comment",
    "country",
    "currency",
    "discount",
    "duration",
    "forecast",
    "identity",
    "interval",
    "language",
    "location",
    "margin",
    "number",
    "opening",
    "owner",
    "period",
    "position",
    "priority",
    "quantity",
    "reason",
    "reference",
    "region",
    "schedule",
    "segment",
    "status",
    "subject",
    "summary",
    "threshold",
    "variant",
    "volume",
    "weight",
];

/// Values of enumerations.
pub(super) const CHOICES: &[&[&str]] = &[
    &["low", "normal", "high", "urgent"],
    &["draft", "open", "closed", "void"],
    &["email", "phone", "letter", "in_person"],
    &["daily", "weekly", "monthly", "quarterly", "yearly"],
    &["EUR", "USD", "GBP", "CHF", "JPY"],
    &["pending", "running", "succeeded", "failed", "cancelled"],
    &["small", "medium", "large"],
];

/// Beginnings of a description.
const OPENINGS: &[&str] = &[
    "As the customer sees it",
    "For reports only",
    "In the local time zone of the branch",
    "Left out where nobody knows",
    "Set by the service and never by hand",
    "Shown on printed pages",
    "Taken over from the order",
    "What the last audit asked for",
    "Rounded to what the currency allows",
    "Kept for seven years",
    "The same as in the ledger",
    "May change until the period is closed",
];

/// The name of a member that an object does not have yet.
pub(super) fn member(chance: &mut Chance, taken: &mut HashSet<String>) -> String {
    let attribute = chance.below(ATTRIBUTES.len());
    let second = chance.below(MEMBERS.len());
    let combinations = ATTRIBUTES.len() * MEMBERS.len();
    for step in 0.. {
        let at = attribute * MEMBERS.len() + second + step;
        let (attribute, second) = ((at / MEMBERS.len()) % ATTRIBUTES.len(), at % MEMBERS.len());
        let mut name = format!(
            "{}_{}",
            at_of(ATTRIBUTES, attribute),
            at_of(MEMBERS, second)
        );
        if step >= combinations {
            name.push_str(&format!("_{step}"));
        }
        if taken.insert(name.clone()) {
            return name;
        }
    }
    String::new()
}

/// A sentence about a member.
pub(super) fn about(chance: &mut Chance, name: &str) -> String {
    let plain = name.replace('_', " ");
    match chance.below(3) {
        0 => format!("The {plain}. {}.", chance.word(OPENINGS)),
        1 => format!("The {plain}."),
        _ => format!("{}: the {plain}.", chance.word(OPENINGS)),
    }
}

/// Names of actions, none twice.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    more: usize,
}

impl Names {
    /// A name for what a verb does with a thing; also how people say it.
    pub fn take(&mut self, verb: &str, thing: &str) -> (String, String) {
        let plain = format!("{verb}_{thing}");
        let qualified = QUALIFIERS
            .iter()
            .map(|qualifier| format!("{plain}_{qualifier}"));
        let twice = QUALIFIERS.iter().flat_map(|first| {
            let plain = &plain;
            let others = QUALIFIERS.iter().filter(move |second| *second != first);
            others.map(move |second| format!("{plain}_{first}_{second}"))
        });
        let candidates = std::iter::once(plain.clone()).chain(qualified).chain(twice);
        let free = candidates
            .into_iter()
            .find(|name| !self.taken.contains(name));
        let name = free.unwrap_or_else(|| {
            self.more += 1;
            format!("{plain}_{}", self.more)
        });
        self.taken.insert(name.clone());
        let said = name.replace('_', " ");
        (name, said)
    }
}

fn at_of<'w>(words: &[&'w str], index: usize) -> &'w str {
    words.get(index).copied().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::{CHANGES, DOMAINS, MAKES, Names, QUALIFIERS, READS, REMOVES};

    /// How many letters must be added, taken or changed.
    fn apart(one: &str, other: &str) -> usize {
        let other: Vec<char> = other.chars().collect();
        let mut row: Vec<usize> = (0..=other.len()).collect();
        for (line, left) in one.chars().enumerate() {
            let mut before = std::mem::replace(&mut row[0], line + 1);
            for (column, right) in other.iter().enumerate() {
                let changed = before + usize::from(left != *right);
                before = row[column + 1];
                row[column + 1] = changed.min(before + 1).min(row[column] + 1);
            }
        }
        row[other.len()]
    }

    #[test]
    fn words_of_names_are_far_from_each_other() {
        let verbs: Vec<&str> = [READS, MAKES, CHANGES, REMOVES].concat();
        let things: Vec<&str> = DOMAINS
            .iter()
            .flat_map(|(_, things)| things.iter().copied())
            .collect();
        for words in [verbs, things, QUALIFIERS.to_vec()] {
            for (index, one) in words.iter().enumerate() {
                for other in &words[..index] {
                    assert!(apart(one, other) > 2, "{one} {other}");
                }
            }
        }
    }

    #[test]
    fn names_do_not_run_out() {
        let mut names = Names::default();
        let taken: std::collections::HashSet<String> =
            (0..1000).map(|_| names.take("list", "routes").0).collect();
        assert_eq!(taken.len(), 1000);
    }
}
