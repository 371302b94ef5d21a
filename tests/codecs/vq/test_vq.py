"""The vq codec: round trips, its search, budgets, hostile tables."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelcodec.batch import Labels
from labelcodec.codecs import registry
from labelcodec.codecs.components import LABEL_VALUES
from labelcodec.codecs.transform.fit.analysis import centre
from labelcodec.codecs.transform.fit.sample import gather
from labelcodec.codecs.transform.rd_report import RDReport
from labelcodec.codecs.transform.tensors import expand, expand_on
from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.compact import VqLabels
from labelcodec.codecs.vq.fit.code_count import LADDER
from labelcodec.codecs.vq.fit.code_search import CodeSearch, Decoder, softmax
from labelcodec.codecs.vq.fit.design import corrected, even_codes, frequencies, search_fitting
from labelcodec.entropy import coding, tables, varint
from labelcodec.entropy.format import ALPHABET
from labelcodec.errors import ConfigError, CorruptError, DataError
from spec.reference_decoder.primitives import Invalid
from spec.reference_decoder.vq import read_vq, vq_tables
from spec.vector_cases.transform import teacher
from tests.codecs.transform.images import pictures, recorded

CLASSES = 12
BLANK = Labels(CLASSES, np.zeros((0, 0), np.float16))
HEADER = {"classes": CLASSES, "labels": {"space": "logits"}}


def labels(rows: int, seed: int = 1) -> Labels:
    return Labels(CLASSES, teacher(seed, rows, CLASSES))


@pytest.fixture(scope="module")
def coder():
    return Vq(codes=3).fit([labels(256)], CLASSES)


def streams(coder, source: Labels) -> dict:
    return {stream: memoryview(data) for stream, data in coder.encode(source).items()}


def divergence(source: Labels, coded: Labels | VqLabels, tau: int = 1) -> float:
    p, q = (softmax(one.dense().astype(np.float32) / tau) for one in (source, coded))
    return float((p * np.log(p / q)).sum(axis=1).mean())


@pytest.mark.parametrize("rows", [1, 2, 33])
def test_decoding_gives_the_labels_of_the_reference_decoder(coder, rows) -> None:
    source = labels(rows, 2)
    coded = streams(coder, source)
    decoded = coder.decode(coded, rows, BLANK)
    parts = {int(stream): bytes(data) for stream, data in coded.items()}
    expected = read_vq(parts, rows, HEADER, vq_tables(coder.to_parts(), CLASSES), {})
    assert decoded.dense().tobytes() == expected["label_value"].tobytes()


def test_torch_expands_the_same_bits(coder) -> None:
    compact = coder.compact(labels(50, 8))
    assert compact.basis.tail.any()
    for expanded in (expand(compact), expand_on(torch.device("cpu"), compact)):
        assert expanded.numpy().tobytes() == compact.dense().tobytes()


def test_tail_correction_lowers_the_divergence(coder) -> None:
    source = labels(256)
    without = replace(coder, basis=replace(coder.basis, tail=coder.basis.tail * 0))
    plain, tailed = (divergence(source, one.compact(source)) for one in (without, coder))
    assert tailed < plain


def test_tail_correction_that_does_not_carry_over_is_left_out(coder) -> None:
    compact = coder.compact(labels(256))
    basis, scores = compact.basis, compact.basis.scores(compact.coefficients)
    true = compact.dense()
    without = replace(basis, tail=basis.tail * 0)
    assert corrected(without, true, scores, 1).tail.any()
    true[7::8] = without.logits(scores[7::8])
    assert not corrected(without, true, scores, 1).tail.any()


def test_tables_survive_serialization(coder) -> None:
    again = Vq(codes=3).from_parts(coder.to_parts(), CLASSES)
    assert again.to_parts() == coder.to_parts()
    assert again.encode(labels(20, 3)) == coder.encode(labels(20, 3))


def test_decoded_labels_keep_their_codes(coder) -> None:
    coded = streams(coder, labels(20, 4))
    decoded = coder.decode(coded, 20, BLANK)
    assert coder.encode(decoded)[LABEL_VALUES] == bytes(coded[LABEL_VALUES])


def test_more_codes_are_closer_to_the_source() -> None:
    source, distances = labels(512), []
    for codes in (1, 2, 4):
        coder = Vq(codes=codes).fit([source], CLASSES)
        distances.append(divergence(source, coder.decode(streams(coder, source), 512, BLANK)))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0] / 2


def test_report_is_what_was_measured() -> None:
    source = labels(512)
    coder = Vq(codes=2).fit([source], CLASSES)
    coded = coder.encode(source)
    decoded = coder.decode({s: memoryview(d) for s, d in coded.items()}, 512, BLANK)
    reached = coder.reached
    assert isinstance(reached, RDReport)
    assert reached.quality["kl1"] == pytest.approx(divergence(source, decoded), rel=1e-3)
    assert reached.streams == pytest.approx(len(coded[LABEL_VALUES]) / 512, abs=0.02)


@pytest.mark.parametrize("scale", [1, 30])  # exponentials in single and in double precision
def test_search_never_raises_the_loss(scale) -> None:
    draw = np.random.default_rng(5)
    true = draw.normal(size=(64, 9)).astype(np.float32) * 3 * scale
    basis = draw.normal(size=(4, 9)).astype(np.float32) * scale
    words = draw.normal(size=(3, 16, 4)).astype(np.float32)
    decoder = Decoder(basis, words, np.zeros((3, 16), np.float32))

    def losses(codes):
        coded = sum(words[i, codes[:, i]] for i in range(3)) @ basis
        log_p, log_q = (
            z - np.logaddexp.reduce(z.astype(np.float64), axis=1, keepdims=True)
            for z in (true, coded)
        )
        return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)

    search, base = CodeSearch(decoder), np.zeros_like(true)
    start = draw.integers(16, size=(64, 3))
    better = search(true, base, start, passes=1)
    best = search(true, base, better, passes=3)
    assert (losses(better) <= losses(start) + 1e-3).all()
    assert (losses(best) <= losses(better) + 1e-3).all()
    assert losses(best).mean() < losses(start).mean() / 2


def test_exhaustive_search_of_one_code_finds_the_best() -> None:
    draw = np.random.default_rng(6)
    true = draw.normal(size=(32, 9)).astype(np.float32) * 3
    basis, words = draw.normal(size=(4, 9)), draw.normal(size=(1, 8, 4))
    decoder = Decoder(
        basis.astype(np.float32), words.astype(np.float32), np.zeros((1, 8), np.float32)
    )
    codes = CodeSearch(decoder)(true, np.zeros_like(true), passes=1)
    logits = words[0] @ basis
    p, q = softmax(true), softmax(logits)
    expected = -(p @ np.log(q).T)
    assert (codes[:, 0] == expected.argmin(axis=1)).all()


def test_budget_is_kept_and_used() -> None:
    coder = Vq(bytes=4).fit([labels(2048)], CLASSES, 1_000_000)
    assert coder.reached is not None
    assert 2.5 < coder.reached.bytes <= 4


def test_bound_is_met() -> None:
    coder = Vq(kl1=0.2).fit([labels(512)], CLASSES)
    assert coder.reached is not None
    assert coder.reached.quality["kl1"] <= 0.2


def test_a_bound_is_met_with_fewer_bytes_at_its_temperature() -> None:
    source, bound = labels(512, 9), 0.1
    coder = Vq(kl4=bound).fit([source], CLASSES)
    assert coder.tau == 4 and coder.reached.quality["kl4"] <= bound
    sample = gather([source], ())
    fit = search_fitting(sample).fit
    others = (fit(codes, 1).reached for codes in LADDER)
    first = next(reached for reached in others if reached.quality["kl4"] <= bound)
    assert coder.reached.streams < first.streams / 2


@pytest.mark.parametrize(
    ("bounds", "tau"), [({"kl1": 0.2, "kl4": 0.5}, 1), ({"kl1": 5, "kl4": 0.03}, 4)]
)
def test_codes_are_searched_at_the_temperature_of_the_hardest_bound(bounds, tau) -> None:
    coder = Vq(**bounds).fit([labels(512)], CLASSES)
    assert coder.tau == tau
    assert all(coder.reached.quality[measure] <= bound for measure, bound in bounds.items())


@pytest.mark.parametrize(
    "bounds", [{"kl4": 0.1}, {"kl1": 0.3, "kl4": 0.4}, {"bytes": 8}, {"codes": 2}]
)
def test_a_given_temperature_is_kept(bounds) -> None:
    assert Vq(tau=2.5, **bounds).fit([labels(512)], CLASSES, 10**6).tau == 2.5


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\0" * 9, struct.pack("<d", 0.09), b"\xff" * 8])
def test_impossible_temperatures(coder, data) -> None:
    parts = coder.to_parts() | {"tau": data}
    with pytest.raises(CorruptError, match="temperature"):
        Vq().from_parts(parts, CLASSES)
    with pytest.raises((Invalid, struct.error)):
        vq_tables(parts, CLASSES)


def test_the_temperature_is_stored() -> None:
    coder = Vq(tv4=0.1).fit([labels(256)], CLASSES)
    again = Vq().from_parts(coder.to_parts(), CLASSES)
    assert again.tau == coder.tau == 4 and coder.chosen()["tau"] == 4
    assert again.encode(labels(64, 2)) == coder.encode(labels(64, 2))
    assert "tau" not in replace(coder, tau=1).to_parts()


def test_the_search_is_closer_at_its_temperature() -> None:
    source, coder = labels(256), Vq(kl4=0.1).fit([labels(256)], CLASSES)
    books = coder.codebooks
    even = frequencies(even_codes(*books.entries.shape[:2]))  # all codes cost the same
    coder = replace(coder, codebooks=replace(books, table=even))
    cold = replace(coder, tau=1)
    for tau, closer, other in ((4, coder, cold), (1, cold, coder)):
        assert divergence(source, closer.compact(source), tau) < divergence(
            source, other.compact(source), tau
        )


def test_too_few_labels_for_the_tables_are_told_with_the_number_that_is_enough() -> None:
    with pytest.raises(DataError, match=r"cannot be met: the tables are .* labels on, "):
        Vq(bytes=1).fit([labels(256)], CLASSES)


def test_impossible_bound_is_told_with_what_was_reached() -> None:
    with pytest.raises(DataError, match=r"kl1=1e-06, bytes=30 cannot be met; .* reach kl1="):
        Vq(kl1=1e-6, bytes=30).fit([labels(256)], CLASSES)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((0, CLASSES)), "too few"),
        (teacher(1, 31, CLASSES), "31 labels are too few"),
        (np.ones((64, CLASSES)), "do not differ"),
    ],
)
def test_labels_that_nothing_can_be_fitted_to(value, message) -> None:
    with pytest.raises(DataError, match=message):
        Vq().fit([Labels(CLASSES, value.astype(np.float16))], CLASSES)


def test_no_labels_at_all() -> None:
    with pytest.raises(DataError, match="there are none"):
        Vq().fit([], CLASSES)


@pytest.mark.parametrize("spec", ["vq:codes=0", "vq:codes=257", "vq:bytes=0", "vq:codes=2,kl1=1"])
def test_impossible_configurations(spec) -> None:
    with pytest.raises(ConfigError, match="vq"):
        registry.parse(spec)


def test_probabilities_and_nonfinite_logits_are_refused() -> None:
    with pytest.raises(DataError, match="needs logits"):
        Vq().prepare(replace(labels(2), space="probabilities"))
    bad = labels(2)
    bad.value[1, 3] = np.nan
    with pytest.raises(DataError, match="sample 1"):
        Vq().prepare(bad)


@pytest.mark.parametrize("part", ["frame", "basis", "codebooks", "codes"])
def test_missing_cut_and_longer_parts(coder, part) -> None:
    whole = coder.to_parts()
    for data in (None, b"", whole[part][:-1], whole[part] + b"\0"):
        parts = (
            {**whole, part: data}
            if data is not None
            else {name: value for name, value in whole.items() if name != part}
        )
        with pytest.raises(CorruptError):
            Vq(codes=3).from_parts(parts, CLASSES)


@pytest.mark.parametrize("head", [(0, 32), (257, 32), (3, 0), (3, 5000), (200, 4096)])
def test_impossible_numbers_of_codewords(coder, head) -> None:
    data = b"".join(map(varint.encode, head)) + coder.to_parts()["codebooks"][2:]
    with pytest.raises(CorruptError):
        Vq(codes=3).from_parts({**coder.to_parts(), "codebooks": data}, CLASSES)


def test_frequencies_of_another_number_of_codes(coder) -> None:
    other = Vq(codes=2).fit([labels(256)], CLASSES).to_parts()["codes"]
    with pytest.raises(CorruptError, match="2 codes for 3 codebooks"):
        Vq(codes=3).from_parts({**coder.to_parts(), "codes": other}, CLASSES)


def test_streams_that_do_not_decode(coder) -> None:
    data = coder.encode(labels(8))[LABEL_VALUES]
    for wrong in (None, data[:-1], data + b"x"):
        broken = {} if wrong is None else {LABEL_VALUES: memoryview(wrong)}
        with pytest.raises(CorruptError):
            coder.decode(broken, 8, BLANK)
    with pytest.raises(CorruptError):
        coder.decode({LABEL_VALUES: memoryview(data)}, 1 << 22, BLANK)


def test_code_beyond_the_codebook(coder) -> None:
    books = coder.codebooks
    fewer = replace(coder, codebooks=replace(books, entries=books.entries[:, :4]))
    with pytest.raises(CorruptError, match="not below 4"):
        fewer.decode(streams(coder, labels(64)), 64, BLANK)


def test_usage_counts_every_code(coder) -> None:
    source = labels(40)
    used = coder.usage(source, {LABEL_VALUES: len(coder.encode(source)[LABEL_VALUES])})
    assert sum(table.sum() for table in used["label values"].tables) == 3 * 40


def test_decoded_labels_are_counted_without_a_search(monkeypatch) -> None:
    parts = recorded(4, 64, CLASSES)
    coder = Vq(codes=2).fit([b.labels for b in parts], CLASSES, contexts=pictures(parts))
    assert coder.means is not None
    context = pictures(parts)[0]
    coded = coder.encode(parts[0].labels, context)
    data = {LABEL_VALUES: memoryview(coded[LABEL_VALUES])}
    decoded = coder.decode(data, len(parts[0].labels), BLANK, context)
    monkeypatch.setattr(CodeSearch, "__call__", None)
    assert coder.compact(decoded) is coder.compact(decoded, context) is decoded.compact
    used = coder.usage(decoded, {LABEL_VALUES: len(data[LABEL_VALUES])})["label values"]
    books = coder.codebooks
    contexts = books.contexts(len(decoded))
    values = coding.decode_values(data[LABEL_VALUES], contexts, books.table, "codes")
    expected = coding.tokenise(values, contexts).counts(2, ALPHABET)
    np.testing.assert_array_equal(used.tables[0], expected)


def test_codes_of_other_codebooks_are_searched_again(coder) -> None:
    own = coder.decode(streams(coder, labels(20)), 20, BLANK)
    books = coder.codebooks
    more = np.concatenate([books.entries, books.entries])
    for entries in (books.entries[:2], more, books.entries[:, :2], books.entries[:, ::-1]):
        frequency = frequencies(even_codes(*entries.shape[:2]))
        other = replace(coder, codebooks=replace(books, entries=entries, table=frequency))
        assert other.compact(own) is not own.compact
        assert other.decode(streams(other, own), 20, BLANK).dense().shape == (20, CLASSES)


def test_codes_are_searched_for_centred_logits(coder) -> None:
    source = labels(16, 7)
    moved = replace(source, value=(source.value.astype(np.float32) + 64).astype(np.float16))
    assert coder.codes_of(centre(source.value), None).shape == (16, 3)
    assert (coder.compact(source).codes == coder.compact(moved).codes).mean() > 0.8


def test_table_round_trip(coder) -> None:
    assert tables.to_bytes(coder.codebooks.table) == coder.to_parts()["codes"]
