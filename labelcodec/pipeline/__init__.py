"""From a teacher to a student: relabel, train, evaluate."""
