"""Counts with their nouns in messages: '1 batch', '2 batches'."""

from __future__ import annotations


def noun_for(number: int, noun: str) -> str:
    """The noun, in the plural unless the number is 1.

    Args:
        number: how many there are.
        noun: the singular, such as 'image', 'batch', 'class' or 'entry'.
    """
    if number == 1:
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("tch", "s", "x")) else "s")


def counted(number: int, noun: str) -> str:
    """A count with its noun.

    Args:
        number: how many there are.
        noun: the singular, as in `noun_for`.
    """
    return f"{number} {noun_for(number, noun)}"
