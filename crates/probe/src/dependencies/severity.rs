//! How grave an advisory is, in npm's words. Source: CVSS 3.1, sections 5 (the rating scale) and 7.1 (the base score);
//! vectors of CVSS 4.0 are not weighed here.

/// What nobody has rated: it may be anything, and counts as grave.
pub(super) const UNRATED: &str = "unrated";

/// The word for a base score. What is below a tenth's next step belongs to that step, as the score is rounded up.
pub(super) fn of_score(score: f64) -> &'static str {
    match score {
        score if score > 8.900_005 => "critical",
        score if score > 6.900_005 => "high",
        score if score > 3.900_005 => "moderate",
        score if score > 0.000_005 => "low",
        score if score >= 0.0 => "info",
        _ => UNRATED,
    }
}

/// The word for a vector, `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`.
pub(super) fn of_vector(vector: &str) -> &'static str {
    base_score(vector).map_or(UNRATED, of_score)
}

/// Not rounded.
fn base_score(vector: &str) -> Option<f64> {
    let metrics = vector.strip_prefix("CVSS:3.")?;
    let metric = |name: &str| metrics.split('/').find_map(|it| it.strip_prefix(name)?.strip_prefix(':'));
    let changed = match metric("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let weight = |name: &str, weights: &[(&str, f64)]| {
        let value = metric(name)?;
        weights.iter().find(|(it, _)| *it == value).map(|(_, weight)| *weight)
    };
    let (low, high) = if changed { (0.68, 0.5) } else { (0.62, 0.27) };
    let ease = 8.22
        * weight("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?
        * weight("AC", &[("L", 0.77), ("H", 0.44)])?
        * weight("PR", &[("N", 0.85), ("L", low), ("H", high)])?
        * weight("UI", &[("N", 0.85), ("R", 0.62)])?;
    let kept = |name: &str| Some(1.0 - weight(name, &[("H", 0.56), ("L", 0.22), ("N", 0.0)])?);
    let lost = 1.0 - kept("C")? * kept("I")? * kept("A")?;
    let impact = if changed { 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02).powi(15) } else { 6.42 * lost };
    let both = if changed { 1.08 * (impact + ease) } else { impact + ease };
    Some(if impact <= 0.0 { 0.0 } else { both.min(10.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors and scores of FIRST's examples for CVSS 3.1, and what none can be made of.
    #[test]
    fn vectors_are_weighed_as_the_specification_does() {
        for (vector, word) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"), // 9.8
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "high"),     // 7.5
            ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", "moderate"), // 6.4
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", "low"),      // 3.1
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:N", "info"),     // 0
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "critical"), // 10
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", UNRATED),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", UNRATED),
            ("", UNRATED),
        ] {
            assert_eq!(of_vector(vector), word, "{vector}");
        }
    }

    #[test]
    fn scores_are_named_by_the_scale() {
        let scale =
            [(9.0, "critical"), (8.9, "high"), (7.0, "high"), (6.9, "moderate"), (4.0, "moderate"), (3.9, "low")];
        for (score, word) in scale {
            assert_eq!(of_score(score), word, "{score}");
        }
        assert_eq!(of_score(f64::NAN), UNRATED);
        assert_eq!(of_score(-1.0), UNRATED);
    }
}
