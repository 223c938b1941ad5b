"""Every reason for which an audit pack is refused, each with a code of its own.

`NotAPackError` is for files that are no pack at all (exit status 4); whatever is wrong with
the evidence in one is a `PackFaultError` or an `EvidenceRefusedError` (exit status 3).
"""

from enum import StrEnum

from torghut_assets.domain.errors import BadInputError, EvidenceError


class PackFault(StrEnum):
    """What is wrong with a pack."""

    # the container
    NOT_A_ZIP = "not_a_zip"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    TOO_MANY_FILES = "too_many_files"
    NAME_UNSAFE = "name_unsafe"
    NAME_REPEATED = "name_repeated"
    NAME_OUT_OF_ORDER = "name_out_of_order"
    COMPRESSED = "compressed"
    ENCRYPTED = "encrypted"
    NO_REGULAR_FILE = "no_regular_file"
    CONTAINER_ALTERED = "container_altered"
    CRC_DIFFERS = "crc_differs"
    # what is in it
    MANIFEST_MISSING = "manifest_missing"
    VERSION_UNKNOWN = "version_unknown"
    MALFORMED = "malformed"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    FILE_MISSING = "file_missing"
    FILE_UNLISTED = "file_unlisted"
    DIGEST_DIFFERS = "digest_differs"
    SUMS_DIFFER = "sums_differ"
    # what it proves
    EXPORT_UNSIGNED = "export_unsigned"
    ENTRY_NOT_IN_TREE = "entry_not_in_tree"
    ROOT_DIFFERS = "root_differs"
    ANCHOR_UNUSABLE = "anchor_unusable"
    ANCHOR_IS_NEWER = "anchor_is_newer"
    OTHER_HISTORY = "other_history"
    REGISTER_BROKEN = "register_broken"
    ROLE_DIFFERS = "role_differs"
    STATEMENT_MISSING = "statement_missing"
    RECORD_MISSING = "record_missing"
    DECISION_DIFFERS = "decision_differs"
    TRIALS_DIFFER = "trials_differ"
    APPROVAL_INVALID = "approval_invalid"
    COMMITMENT_DIFFERS = "commitment_differs"
    SECRET_FOUND = "secret_found"  # noqa: S105 - a code, no password


class NotAPackError(BadInputError):
    """A file is not an audit pack, or breaks a limit before its content is looked at."""

    def __init__(self, fault: PackFault, *, location: str, detail: str) -> None:
        self.fault = fault
        self.detail = detail
        super().__init__(
            location=location,
            found=f"{fault.value} ({detail})",
            expected="an audit pack as `torghut audit export` writes it",
        )


class PackFaultError(EvidenceError):
    """A pack contradicts itself or what was signed; `fault` says why as a code."""

    def __init__(self, fault: PackFault, *, location: str, detail: str) -> None:
        self.fault = fault
        self.location = location
        self.detail = detail
        super().__init__(f"{location}: {fault.value}, {detail}.")
