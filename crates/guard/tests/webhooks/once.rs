//! A message is taken once, however often and however it comes.

use super::*;

#[test]
fn a9_after_a_failure_of_the_application_the_retry_passes_and_after_success_it_is_a_replay() {
    let sent = stripe_at(1_800_000_000, r#"{"id":"evt_1"}"#);
    let mut gate = gate_for(&sent, Mode::Enforce);
    for status in [500, 503, 404, 400, 302, 304, 409] {
        let outcome = gate.send_to(sent.request(), answering(status));
        assert!(outcome.admitted(), "after {status}");
    }
    assert!(gate.send_to(sent.request(), answering(202)).admitted());
    gate.seconds += 10;
    let replay = gate.send(sent.request());
    assert_eq!(
        (replay.status(), replay.code(), replay.stage()),
        (400, Some(Code::SignatureReplayed), Some(Stage::Claim))
    );
    assert_eq!(replay.json()["code"], "signature-replayed");
}

#[test]
fn a9_a_providers_retry_after_a_lost_answer_is_acknowledged_and_not_forwarded() {
    let first = stripe_at(1_800_000_000, r#"{"id":"evt_1","pending_webhooks":2}"#);
    let mut gate = gate_for(&first, Mode::Enforce);
    assert!(gate.send(first.request()).admitted());
    for later in [5, 3600, 2 * 86_400] {
        gate.seconds = first.seconds + later;
        let retry = stripe_at(gate.seconds, r#"{"id":"evt_1","pending_webhooks":1}"#);
        let outcome = gate.send(retry.request());
        assert!(!outcome.admitted());
        assert_eq!((outcome.status(), outcome.json()["received"].as_bool()), (200, Some(true)));
        assert_eq!(outcome.header("cache-control"), "no-store");
        let event = outcome.record.event();
        assert_eq!((event.decision, event.code), (Decision::Answer, None));
        assert_ne!(event.tags & Tag::MessageRepeated.bit(), 0);
    }
    gate.seconds = first.seconds + 4 * 86_400;
    let forgotten = stripe_at(gate.seconds, r#"{"id":"evt_1","pending_webhooks":1}"#);
    assert!(gate.send(forgotten.request()).admitted(), "beyond the provider's retries it is a new message");
}

#[test]
fn a9_a_second_copy_meanwhile_is_put_off_and_a_dropped_request_frees_itself() {
    let sent = stripe_at(1_800_000_000, r#"{"id":"evt_1"}"#);
    let mut gate = gate_for(&sent, Mode::Enforce);
    let (head, body) = sent.request().into_parts();
    let held = gate.decide(&head, &body).expect("admitted");
    gate.seconds += 1;
    let copy = gate.send(sent.request());
    assert_eq!((copy.status(), copy.code()), (409, Some(Code::InFlight)));
    assert_eq!(copy.header("retry-after"), "64", "the upstream's time and five seconds");
    let fresh = gate.send(stripe_at(gate.seconds, r#"{"id":"evt_1"}"#).request());
    assert_eq!(fresh.code(), Some(Code::InFlight), "signed anew it is still a copy");
    drop(held);
    gate.seconds += 63;
    assert_eq!(gate.send(sent.request()).code(), Some(Code::InFlight));
    gate.seconds += 1;
    assert!(gate.send(sent.request()).admitted());
}

#[test]
fn a9_a_fault_of_the_application_releases_the_message() {
    let sent = stripe_at(1_800_000_000, r#"{"id":"evt_1"}"#);
    let gate = gate_for(&sent, Mode::Enforce);
    for fault in [Fault::Unreachable, Fault::Timeout, Fault::Internal] {
        let (head, body) = sent.request().into_parts();
        let admitted = gate.decide(&head, &body).expect("admitted");
        let (_, _, _, settle) = admitted.fail(fault, &gate.env());
        gate.plan.state().settle(&settle.expect("a release"), gate.env().now);
    }
    assert!(gate.send(sent.request()).admitted());
}

#[test]
fn a9_github_and_vercel_are_known_by_their_bodies_alone() {
    for sent in vectors().into_iter().filter(|sent| matches!(sent.scheme, GitHub | Vercel)) {
        let mut gate = gate_for(&sent, Mode::Enforce);
        let named = |delivery: &str| sent.clone().header("x-github-delivery", delivery);
        assert!(gate.send_to(named("1").request(), answering(500)).admitted());
        assert!(gate.send(named("2").request()).admitted());
        gate.seconds += 3600;
        assert_eq!(named("3").code(&gate), Some(Code::SignatureReplayed), "the delivery's id is nobody's word");
    }
}

#[test]
fn a9_slack_messages_are_known_by_time_and_signature() {
    let sent = vectors().into_iter().find(|sent| sent.scheme == Slack).expect("slack");
    let gate = gate_for(&sent, Mode::Enforce);
    assert_eq!(sent.code(&gate), None);
    assert_eq!(sent.code(&gate), Some(Code::SignatureReplayed));
}

#[test]
fn a9_observing_forwards_everything_and_settles_only_what_it_holds() {
    let sent = stripe_at(1_800_000_000, r#"{"id":"evt_1"}"#);
    let gate = gate_for(&sent, Mode::Observe);
    let forged = sent.clone().header("stripe-signature", "t=1800000000,v1=00");
    for (request, code) in [
        (forged.request(), Some(Code::SignatureInvalid)),
        (sent.clone().without("stripe-signature").request(), Some(Code::SignatureMissing)),
        (sent.request(), None),
        (sent.request(), Some(Code::SignatureReplayed)),
    ] {
        let outcome = gate.send(request);
        assert!(outcome.admitted() && outcome.status() == 200);
        assert_eq!(outcome.code(), code);
        let decision = if code.is_some() { Decision::WouldRefuse } else { Decision::Admit };
        assert_eq!(outcome.record.event().decision, decision);
    }
    let retry = gate.send(stripe_at(sent.seconds + 1, r#"{"id":"evt_1"}"#).request());
    assert!(retry.admitted() && retry.record.event().tags & Tag::MessageRepeated.bit() != 0);
    // A forged copy that the application accepts does not make the message done.
    let other = stripe_at(1_800_000_000, r#"{"id":"evt_2"}"#);
    let forged = Sent { headers: forged.headers, ..other.clone() };
    assert!(gate.send(forged.request()).admitted());
    let genuine = gate.send(other.request());
    assert_eq!((genuine.admitted(), genuine.code()), (true, None));
}

#[test]
fn a9_a_copy_in_flight_is_let_through_when_observing_and_releases_nothing() {
    let sent = stripe_at(1_800_000_000, r#"{"id":"evt_1"}"#);
    let gate = gate_for(&sent, Mode::Observe);
    let (head, body) = sent.request().into_parts();
    let held = gate.decide(&head, &body).expect("admitted");
    let copy = gate.send_to(sent.request(), answering(500));
    assert_eq!((copy.admitted(), copy.code()), (true, Some(Code::InFlight)));
    let again = gate.send(sent.request());
    assert_eq!(again.code(), Some(Code::InFlight), "the copy's failure was not the first one's");
    drop(held);
}
