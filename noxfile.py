"""The versions that labelcodec works with: `nox -l` lists them, `nox -s tests-3.13` runs one."""

import nox

nox.options.sessions = ["tests", "oldest"]
TORCH = "torch==2.13.0"  # an exact version: a range may bring a build of gigabytes


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """The newest versions of everything."""
    session.install(TORCH)
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """The oldest versions that pyproject.toml allows."""
    session.install("numpy==2.0.*", "torch==2.6.*")
    session.install(
        "-e", ".[test]", "click==8.2.*", "msgpack==1.0.5", "zstandard==0.22.0", "Pillow==10.*"
    )
    session.run("pytest", "-n", "2", *session.posargs)
