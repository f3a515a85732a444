from engines.clip.templates import TEMPLATES, fill_templates, sentences


def test_the_released_list(references):
    assert list(TEMPLATES) == references.arrays("nada_losses")["templates"].tolist()


def test_filling_takes_any_text():
    filled = fill_templates("face {with} braces")
    assert len(filled) == 79
    assert filled[0] == "a bad photo of a face {with} braces."


def test_templates_bring_the_article_and_are_english():
    assert sentences("an old face") == sentences("the old face") == fill_templates("old face")
    assert sentences("anthill") == fill_templates("anthill")
    assert sentences("안경 쓴 얼굴") == ["안경 쓴 얼굴"]
