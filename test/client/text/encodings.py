"""Writes encodings.json: what the library tokenizers makes of texts and pairs, whole and cut.

    pip install tokenizers==0.23.3 && python encodings.py && npx biome format --write .
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent
FIRST = "What a waste of a great cast!"
SECOND = "The best thing about the show was the walk home, and nobody laughed at all in 1742."
CASES = [
    {"text": FIRST},
    {"text": FIRST, "pair": SECOND},
    {"text": FIRST, "maxLength": 7},
    {"text": FIRST, "pair": SECOND, "maxLength": 12},
    {"text": SECOND, "pair": FIRST, "maxLength": 13},
    {"text": FIRST, "pair": SECOND, "maxLength": 30},
    {"text": FIRST, "pair": ""},
    {"text": ""},
    {"text": "Zoë’s naïv 东京 café\n\t x"},
]


def encoded(tokenizer: Tokenizer, case: dict) -> dict:
    tokenizer.no_truncation()
    if "maxLength" in case:
        tokenizer.enable_truncation(case["maxLength"])
    encoding = tokenizer.encode(case["text"], case.get("pair"))
    return {**case, "ids": encoding.ids, "typeIds": encoding.type_ids}


folder = HERE / "../../fixtures/language/tokenizers"
tokenizers = {name: Tokenizer.from_file(str(folder / name / "tokenizer.json")) for name in ("bert", "gpt2", "roberta")}
cases = {name: [encoded(tokenizer, case) for case in CASES] for name, tokenizer in tokenizers.items()}
(HERE / "encodings.json").write_text(json.dumps(cases, ensure_ascii=False))
