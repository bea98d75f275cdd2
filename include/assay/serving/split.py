"""Which entities the canary serves."""

from hashlib import sha256


def percent_point(model: str, entity: str) -> float:
    """Where an entity stands between 0 and 100, the same in every process and for ever.

    The canary serves whoever stands below its share, so an entity that it serves at 5 % it still
    serves at 25 %.

    Examples
    --------
    >>> 0 <= percent_point("income", "4711") < 100
    True
    """
    # the length keeps ("ab", "c") and ("a", "bc") apart, whatever characters a name may hold
    digest = sha256(f"{len(model)}:{model}:{entity}".encode()).digest()
    return int.from_bytes(digest[:6], "big") * 100 / 2**48


def entity_key(value: object) -> str | None:
    """The text that stands for an entity, or None when `value` names nobody.

    A whole number is the same entity whether a client's JSON has it as 7, 7.0 or "7".

    Examples
    --------
    >>> entity_key(7.0), entity_key("7"), entity_key(True), entity_key(None)
    ('7', '7', None, None)
    """
    match value:
        case bool():
            return None
        case float() if value.is_integer():
            text = str(int(value))
        case int() | float():
            text = str(value)
        case str():
            text = value
        case _:
            return None
    return text if 0 < len(text) <= 512 and "\x00" not in text else None
