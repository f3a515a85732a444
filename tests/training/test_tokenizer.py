from engines.clip._open_clip import open_clip
from training.tokenizer import learn_merges, save_merges


def test_merges_join_what_is_frequent_and_open_clip_reads_them(tmp_path):
    captions = ["a red apple", "a red car", "빨간 사과", "빨간 차"] * 5
    merges = learn_merges(captions, 200)
    save_merges(merges, tmp_path / "bpe.txt.gz")
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(tmp_path / "bpe.txt.gz"))
    assert tokenizer.vocab_size == 512 + len(merges) + 2
    assert [len(tokenizer.encode(word)) for word in ("apple", "red", "빨간", "사과")] == [1, 1, 1, 1]
    assert tokenizer.decode(tokenizer.encode("a red 사과")).strip() == "a red 사과"
    assert len(tokenizer.encode("green")) > 1


def test_the_most_frequent_pair_comes_first():
    assert learn_merges(["ab ab ab cd"], 1) == [("a", "b</w>")]
