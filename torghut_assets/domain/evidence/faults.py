"""Every reason for which evidence is not believed, each with a code of its own.

A fault is a word that a program can match and a test can demand. `EvidenceRefusedError`
carries it with its place; `judge_approval` returns it.
"""

from enum import StrEnum

from torghut_assets.domain.errors import EvidenceError


class Fault(StrEnum):
    """Why an envelope, a statement, a key, an approval or a ledger is refused."""

    # bytes and envelopes
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    DUPLICATE_JSON_KEY = "duplicate_json_key"
    NOT_CANONICAL = "not_canonical"
    ENVELOPE_MALFORMED = "envelope_malformed"
    PAYLOAD_TYPE_WRONG = "payload_type_wrong"
    PAYLOAD_NOT_JSON = "payload_not_json"
    PAYLOAD_DUPLICATE_JSON_KEY = "payload_duplicate_json_key"
    PAYLOAD_NOT_CANONICAL = "payload_not_canonical"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_EMPTY = "signature_empty"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_REPEATED = "signature_repeated"
    SIGNATURE_INVALID = "signature_invalid"
    TOO_MANY_SIGNATURES = "too_many_signatures"
    # statements
    STATEMENT_MALFORMED = "statement_malformed"
    STATEMENT_OF_OTHER_KIND = "statement_of_other_kind"
    PREDICATE_MALFORMED = "predicate_malformed"
    SUBJECTS_DIFFER = "subjects_differ"
    # keys
    KEY_UNKNOWN = "key_unknown"
    KEY_KNOWN_ALREADY = "key_known_already"
    KEY_REVOKED = "key_revoked"
    KEY_REVOKED_BEFORE_SIGNING = "key_revoked_before_signing"
    KEY_YOUNGER_THAN_SIGNATURE = "key_younger_than_signature"
    KEY_NOT_INTRODUCED = "key_not_introduced"
    KEY_NOT_PROVEN = "key_not_proven"
    SIGNED_BY_RUNNER = "signed_by_runner"
    SIGNED_BY_GATE = "signed_by_gate"
    ROLE_MAY_NOT_SIGN = "role_may_not_sign"
    # approvals
    OTHER_DECISION = "other_decision"
    OTHER_CANDIDATE = "other_candidate"
    OTHER_AUTHORS = "other_authors"
    OTHER_STAGE = "other_stage"
    OTHER_REPORT = "other_report"
    OTHER_POLICY = "other_policy"
    OTHER_LINE = "other_line"
    LIMITS_DIFFER = "limits_differ"
    LIMITS_WIDENED = "limits_widened"
    APPROVER_IS_NOT_SIGNER = "approver_is_not_signer"
    SELF_APPROVED = "self_approved"
    EXPIRED = "expired"
    LIFETIME_IMPOSSIBLE = "lifetime_impossible"
    ISSUED_IN_THE_FUTURE = "issued_in_the_future"
    CLOCK_MOVED_BACK = "clock_moved_back"
    NONCE_USED = "nonce_used"
    APPROVAL_SPENT = "approval_spent"
    SAME_APPROVAL_TWICE = "same_approval_twice"
    SAME_PERSON_TWICE = "same_person_twice"
    TOO_FEW_PERSONS = "too_few_persons"
    # ledger
    GAP = "gap"
    MISPLACED = "misplaced"
    LEAF_ALTERED = "leaf_altered"
    ENTRY_MALFORMED = "entry_malformed"
    TIME_WENT_BACK = "time_went_back"
    HEAD_MISSING = "head_missing"
    HEAD_MALFORMED = "head_malformed"
    HEAD_CONTRADICTS = "head_contradicts"
    ANCHOR_MISSING = "anchor_missing"
    TRUNCATED = "truncated"
    OTHER_HISTORY = "other_history"
    GUARDS_MISSING = "guards_missing"
    ANCHOR_MALFORMED = "anchor_malformed"
    TIMESTAMP_INVALID = "timestamp_invalid"
    # retention
    TOMBSTONE_UNPROVEN = "tombstone_unproven"
    HOLD_BROKEN = "hold_broken"
    HOLD_CONTRADICTS = "hold_contradicts"


class EvidenceRefusedError(EvidenceError):
    """Evidence cannot be believed; `fault` says why as a code."""

    def __init__(self, fault: Fault, *, location: str, detail: str) -> None:
        self.fault = fault
        self.location = location
        self.detail = detail
        super().__init__(f"{location}: {fault.value}, {detail}.")
