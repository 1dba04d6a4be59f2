"""What holds for the whole repository."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_test_says_in_a_sentence_what_the_product_does() -> None:
    """Each test has a docstring: together they tell a reader what jhaws promises."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno} {node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []
