"""Who may come in: signed invitations, pseudonyms by keyed hash, and OpenID Connect sign-ins mapped to invitations.

An invitation holds study, pseudonym, role and end, signed with the study's key. It opens the door only while the store
lists that pseudonym, so it can be withdrawn. Names and addresses are hashed at once and kept nowhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from annotation.media import keyed
from annotation.study import Study
from annotation.terms import Refused, Role
from annotation.votes import Person, Votes
from magicvideo.errors import InputError

LONGEST_TOKEN = 1000
"""Characters; a real one has about 200."""
LONGEST_WHO = 320
"""Characters: the longest e-mail address."""
DAYS_MOST = 3650.0
ROLES: tuple[Role, ...] = ("annotator", "owner")


def pseudonym(study: Study, who: str) -> str:
    """The id of a person in this study, by keyed hash: the same name or address gives the same id."""
    return keyed(study.secret, "person", who.strip().casefold())[:16]


def invite(study: Study, votes: Votes, who: str | None, role: Role, days: float) -> tuple[str, str]:
    """(pseudonym, token) of a new invitation, listed in the store. Without `who` it is for anyone who has the link.

    Inviting the same person again gives a new date to the same pseudonym.
    """
    if role not in ROLES:
        raise InputError(f"role {role!r} is neither annotator nor owner")
    if not 0 < days <= DAYS_MOST:
        raise InputError(f"an invitation lasts more than 0 and up to {DAYS_MOST:g} days, got {days}")
    if who is not None and not 0 < len(who.strip()) <= LONGEST_WHO:
        raise InputError(f"a name or address has 1 to {LONGEST_WHO} characters")
    person = pseudonym(study, secrets.token_hex(16) if who is None else who)
    expires = votes.clock() + days * 86400
    votes.invite(person, role, expires)
    return person, sign(study, person, role, expires)


def sign(study: Study, person: str, role: Role, expires: float) -> str:
    """The token of an invitation."""
    return str(_serializer(study).dumps({"s": study.id, "p": person, "r": role, "e": round(expires, 3)}))


def admit(study: Study, votes: Votes, token: str) -> Person:
    """Whose invitation this is. Raises `Refused` ("invitation") for a forged, expired or withdrawn one."""
    claim = _read(study, token)
    person = votes.person(claim["p"])
    if claim["e"] < votes.clock() or person is None:
        raise Refused("invitation", "this invitation has ended; ask the study's owner for a new one")
    if person.role != claim["r"]:
        raise _unknown()
    return person


def admit_claims(study: Study, votes: Votes, claims: Mapping[str, object]) -> Person:
    """Whose sign-in this is: of an address that was invited, and that the provider has verified."""
    address = claims.get("email")
    if not isinstance(address, str) or len(address) > LONGEST_WHO or claims.get("email_verified") is not True:
        raise Refused("invitation", "the sign-in gives no verified e-mail address; ask for an invitation link instead")
    person = votes.person(pseudonym(study, address))
    if person is None:
        raise Refused("invitation", "this address was not invited, or its invitation has ended; ask the study's owner")
    return person


def _read(study: Study, token: str) -> dict[str, Any]:
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
        raise _unknown()
    try:
        claim = _serializer(study).loads(token)
    except (BadData, UnicodeError):
        raise _unknown() from None
    if claim.get("s") != study.id:
        raise _unknown()
    return dict(claim)


def _serializer(study: Study) -> URLSafeSerializer:
    options = {"key_derivation": "hmac", "digest_method": sha256}
    return URLSafeSerializer(study.secret, salt="magicvideo study invitation", signer_kwargs=options)


def _unknown() -> Refused:
    return Refused("invitation", "this is no invitation to this study; use the whole link as you were given it")
