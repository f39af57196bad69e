"""Source values as text and as exact numbers, a column at a time.

What belongs here: blanks, missing values, decimal marks and exact arithmetic. What must not be here: columns of the
contract (see ``columns``), times.

A number is held as a decimal with 20 digits before and 30 after the point, whatever its source. A floating-point number
of a Parquet file stands for its shortest decimal text, so that Parquet and CSV give the same result.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc

from .errors import WrongTypeError

NUMBER = pa.decimal256(50, 30)
"""Type in which numbers are held."""
_FACTOR = pa.decimal256(25, 9)
_OPERAND = pa.decimal256(36, 12)
_PLAIN = r"^[+-]?[0-9]{1,20}(\.[0-9]{0,30})?$"
_ANY = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"
_NOT_A_NUMBER = pa.array(["nan", "+nan", "-nan"])
_EXACT = Context(prec=60)
_LIMIT = Decimal(10) ** 20
_STEP = Decimal(1).scaleb(-30)


def none_of(count: int) -> pa.BooleanArray:
    """Return a mask that is false everywhere."""
    return pa.repeat(pa.scalar(False), count)


def holds(mask: pa.Array) -> pa.BooleanArray:
    """Return the mask with NULL as false."""
    return pc.fill_null(mask, False)


def to_text(array: pa.Array, nulls: tuple[str, ...] = ("",)) -> pa.StringArray:
    """Return values as text, without blanks around them; the texts in ``nulls`` become NULL.

    Args:
        array: values of a source column.
        nulls: texts that stand for a missing value.

    Raises:
        WrongTypeError: if the type has no text, for example a list.
    """
    kind = array.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        msg = f"holds {kind}, which has no text"
        raise WrongTypeError(msg)
    text = array if pa.types.is_string(kind) else array.cast(pa.string())
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.is_in(text, value_set=pa.array(nulls, pa.string())), pa.scalar(None, pa.string()), text)


def to_number(array: pa.Array, nulls: tuple[str, ...] = ("",), decimal: str = ".") -> tuple[pa.Array, pa.BooleanArray]:
    """Return values as exact decimals, and which of them are no number. NaN counts as missing.

    Args:
        array: values of a source column.
        nulls: texts that stand for a missing value.
        decimal: decimal mark of texts.

    Raises:
        WrongTypeError: if the type can hold no number.
    """
    kind = array.type
    if pa.types.is_null(kind) or pa.types.is_integer(kind):
        return array.cast(NUMBER), none_of(len(array))
    text = _number_text(array, nulls, decimal)
    plain = holds(pc.match_substring_regex(text, _PLAIN))
    odd = pc.and_(pc.is_valid(text), pc.invert(plain))
    exact = pc.if_else(plain, text, pa.scalar(None, pa.string()))
    if pc.any(odd).as_py():
        values = [_plain_text(value) for value in text.filter(odd).to_pylist()]
        exact = pc.replace_with_mask(exact, odd, pa.array(values, pa.string()))
    return exact.cast(NUMBER), pc.and_(pc.is_valid(text), pc.is_null(exact))


def to_float(array: pa.Array, nulls: tuple[str, ...] = ("",), decimal: str = ".") -> tuple[pa.Array, pa.BooleanArray]:
    """Return values as floating-point numbers, and which of them are no number. NaN counts as missing.

    Args:
        array: values of a source column.
        nulls: texts that stand for a missing value.
        decimal: decimal mark of texts.

    Raises:
        WrongTypeError: if the type can hold no number.
    """
    kind = array.type
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return pc.cast(array, pa.float64(), safe=False), none_of(len(array))
    text = _number_text(array, nulls, decimal)
    good = pc.match_substring_regex(text, _ANY)
    numbers = pc.if_else(holds(good), text, pa.scalar(None, pa.string())).cast(pa.float64())
    finite = holds(pc.is_finite(numbers))
    bad = pc.and_(pc.is_valid(text), pc.invert(finite))
    return pc.if_else(finite, numbers, pa.scalar(None, pa.float64())), bad


def multiply(array: pa.Array, factor: Fraction) -> pa.Array:
    """Return exact decimals times an exact factor.

    Args:
        array: decimals of type ``NUMBER``.
        factor: a fraction that ends after at most nine decimals.
    """
    if factor == 1:
        return array
    value = _EXACT.divide(Decimal(factor.numerator), Decimal(factor.denominator))
    return pc.multiply(array, pa.scalar(value, _FACTOR))


def product(left: pa.Array, right: pa.Array) -> pa.Array:
    """Return the products of two columns of decimals; each operand counts with twelve decimals."""
    operands = [pc.round(array, ndigits=12, round_mode="half_to_even").cast(_OPERAND) for array in (left, right)]
    return pc.round(pc.multiply(*operands), ndigits=24).cast(pa.decimal256(76, 30), safe=False)


def _number_text(array: pa.Array, nulls: tuple[str, ...], decimal: str) -> pa.StringArray:
    kind = array.type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    if not (textual or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        msg = f"holds {kind}, not numbers"
        raise WrongTypeError(msg)
    text = to_text(array, nulls)
    if textual and decimal != ".":
        text = pc.replace_substring(text, decimal, ".")
    return pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=_NOT_A_NUMBER), pa.scalar(None, pa.string()), text)


def _plain_text(text: str) -> str | None:
    """Return a number in any notation as plain digits, ``None`` if it is none or too large."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if "_" in text or not value.is_finite() or abs(value) >= _LIMIT:
        return None
    return format(value.quantize(_STEP, context=_EXACT), "f")
