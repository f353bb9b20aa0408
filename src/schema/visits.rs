//! How often the parts of a schema look at one value.

/// Which part of a value a subschema is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part<'d> {
    /// The value itself.
    Same,
    /// The member of this name.
    Member(&'d str),
    /// Members of some names.
    Members,
    /// The element at this index.
    Element(usize),
    /// Elements at some indexes.
    Elements,
    /// A member's name.
    Key,
}

/// For each depth, how often the subschemas together look at one value there, at most.
///
/// The largest count over all parts is taken for each subschema, so left and right of a tree do not add up,
/// while two branches that both go into `left` do.
pub(super) fn visits(nodes: usize, edges: &[(usize, Part<'_>, usize)], deepest: usize) -> Vec<f64> {
    let order = same_value_order(nodes, edges);
    let mut same: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut parts: Vec<Vec<(usize, Part<'_>)>> = vec![Vec::new(); nodes];
    for &(from, part, to) in edges {
        match part {
            Part::Same => same[from].push(to),
            part => parts[to].push((from, part)),
        }
    }
    for into in &mut parts {
        into.sort_unstable_by_key(|(_, part)| *part);
    }
    let mut now = vec![0.0; nodes];
    if let Some(root) = now.first_mut() {
        *root = 1.0;
    }
    let mut totals = Vec::with_capacity(deepest + 1);
    for _ in 0..=deepest {
        for &node in &order {
            for &to in &same[node] {
                now[to] += now[node];
            }
        }
        totals.push(now.iter().sum());
        now = parts.iter().map(|into| handed_on(into, &now)).collect();
    }
    totals
}

/// How often a subschema is handed one part of a value, for the part that it is handed most often.
fn handed_on(into: &[(usize, Part<'_>)], visits: &[f64]) -> f64 {
    let (mut members, mut most_member) = (0.0, 0.0_f64);
    let (mut elements, mut most_element) = (0.0, 0.0_f64);
    let mut keys = 0.0;
    for group in into.chunk_by(|(_, one), (_, other)| one == other) {
        let sum: f64 = group.iter().map(|(from, _)| visits[*from]).sum();
        match group.first() {
            Some((_, Part::Members)) => members = sum,
            Some((_, Part::Member(_))) => most_member = most_member.max(sum),
            Some((_, Part::Elements)) => elements = sum,
            Some((_, Part::Element(_))) => most_element = most_element.max(sum),
            Some((_, Part::Key)) => keys = sum,
            Some((_, Part::Same)) | None => {}
        }
    }
    f64::max(
        members + most_member,
        f64::max(elements + most_element, keys),
    )
}

/// The subschemas in an order in which what is applied to the same value comes after what applies it.
fn same_value_order(nodes: usize, edges: &[(usize, Part<'_>, usize)]) -> Vec<usize> {
    let mut into = vec![0_usize; nodes];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for &(from, part, to) in edges {
        if part == Part::Same {
            into[to] += 1;
            next[from].push(to);
        }
    }
    let mut open: Vec<usize> = (0..nodes).filter(|&node| into[node] == 0).collect();
    let mut order = Vec::with_capacity(nodes);
    while let Some(node) = open.pop() {
        order.push(node);
        for &to in &next[node] {
            into[to] -= 1;
            if into[to] == 0 {
                open.push(to);
            }
        }
    }
    order
}
