"""Which images are recovered together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelcodec.pipeline.recovery.jobs import jobs_of
from labelcodec.pipeline.recovery.settings import METHODS, RecoverySettings


@given(
    st.sampled_from(METHODS),
    st.integers(1, 5),
    st.integers(1, 9),
    st.integers(1, 4),
    st.lists(st.integers(0, 30), min_size=1, max_size=9, unique=True),
)
def test_every_image_is_in_one_job(
    method: str, ipc: int, size: int, group: int, classes: list[int]
) -> None:
    by_class = method in ("classwise", "lpld")
    options = {"group": group} if by_class else {"batch_size": size}
    jobs = jobs_of(RecoverySettings(method=method, ipc=ipc, **options), classes)
    images = [pair for job in jobs for pair in zip(job.classes, job.positions, strict=True)]
    assert sorted(images) == sorted((own, i) for own in classes for i in range(ipc))
    assert len({job.number for job in jobs}) == len(jobs)
    assert all(len(job) <= (group * ipc if by_class else size) for job in jobs)


def test_a_batch_by_class_has_the_images_of_one_class_and_its_number() -> None:
    jobs = jobs_of(RecoverySettings(method="lpld", ipc=3), [4, 7])
    assert [(job.number, job.classes) for job in jobs] == [(4, (4,) * 3), (7, (7,) * 3)]


def test_batches_across_classes_take_the_first_image_of_each_class_first() -> None:
    jobs = jobs_of(RecoverySettings(method="sre2l", ipc=2, batch_size=3), [0, 1])
    assert [job.classes for job in jobs] == [(0, 1, 0), (1,)]
    assert [job.positions for job in jobs] == [(0, 0, 1), (1,)]
