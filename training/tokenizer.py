"""The pocket CLIP's vocabulary: byte-pair merges learned from its captions, in CLIP's own file format.

Byte-level, lower case, words end in `</w>` (Sennrich et al. 2016, Radford et al. 2019), so that
`open_clip.SimpleTokenizer(bpe_path=...)` reads the file and Korean needs nothing of its own.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from pathlib import Path

import regex

WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def learn_merges(captions: list[str], count: int) -> list[tuple[str, str]]:
    """The `count` most frequent merges, most frequent first; ties in alphabetical order."""
    from open_clip.tokenizer import bytes_to_unicode

    spell = bytes_to_unicode()
    frequency = Counter(word for caption in captions for word in WORDS.findall(caption.lower()))
    words = [[*(spell[byte] for byte in word.encode())] for word in frequency]
    for word in words:
        word[-1] += "</w>"
    counts = list(frequency.values())

    pairs, where = Counter(), defaultdict(set)
    for number, word in enumerate(words):
        for pair in zip(word, word[1:], strict=False):
            pairs[pair] += counts[number]
            where[pair].add(number)

    merges = []
    while len(merges) < count and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] <= 0:
            break
        merges.append(best)
        for number in where.pop(best):
            _forget(words[number], counts[number], pairs)
            words[number] = _merge(words[number], best)
            for pair in zip(words[number], words[number][1:], strict=False):
                pairs[pair] += counts[number]
                where[pair].add(number)
        pairs.pop(best, None)
    return merges


def save_merges(merges: list[tuple[str, str]], path: Path) -> None:
    text = "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _forget(word: list[str], count: int, pairs: Counter) -> None:
    for pair in zip(word, word[1:], strict=False):
        pairs[pair] -= count


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged, i = [], 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            merged.append(word[i] + word[i + 1])
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged
