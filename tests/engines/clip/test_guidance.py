import pytest
import torch

from engines.base import EngineError
from engines.clip.augment import identity_views
from engines.clip.guidance import SCALE, ClipGuide, Target, certainties, toward_names


class RecordedEncoder:
    """Answers with stored embeddings, whatever it is shown."""

    image_size = 8

    def __init__(self, features):
        self.features = torch.nn.functional.normalize(features, dim=-1)

    def encode_image(self, pictures, *, normalize=True):
        return self.features


def test_matches_reference_values(references):
    """clipdraw.md §1.5: L = Σ over copies of [−cos(text) + 0.3 cos(negative 1) + 0.3 cos(negative 2)]."""
    arrays = references.tensors("styleclipdraw_losses")
    unit = {name: torch.nn.functional.normalize(arrays(f"clip_{name}"), dim=-1) for name in ("text", "neg1", "neg2")}
    images = arrays("clip_imgs")
    guide = ClipGuide([(RecordedEncoder(images), 1.0)])
    targets = [Target("prompt", 1.0, (unit["text"],))]
    targets += [Target("negative prompt", -0.3, (unit[name],)) for name in ("neg1", "neg2")]
    views = identity_views(len(images))
    similarities, score = guide.look(torch.zeros(4, 8, 8), torch.ones(3), targets, views)
    per_target = torch.tensor([target.weight for target in targets]) * similarities * len(images)
    assert -per_target[0].item() == pytest.approx(arrays("clip_loss").item(), rel=1e-5)
    assert -score.item() * len(images) == pytest.approx(float(arrays("clip_loss_neg")), rel=1e-5)
    assert -per_target.sum().item() == pytest.approx(float(arrays("clip_loss_neg")), rel=1e-5)


def test_ensembles_count_by_their_share():
    one, other = torch.tensor([[1.0, 0]]), torch.tensor([[0, 1.0]])
    guide = ClipGuide([(RecordedEncoder(one), 3.0), (RecordedEncoder(other), 1.0)])
    target = Target("prompt", 1.0, (one, one))
    similarity, _ = guide.look(torch.zeros(4, 8, 8), torch.ones(3), [target], identity_views())
    assert similarity.item() == pytest.approx(0.75)


def test_the_background_fills_what_lies_outside_the_canvas(pocket):
    seen = []
    encoder = pocket.clip()
    guide = ClipGuide([(encoder, 1.0)])

    class Spy:
        image_size = encoder.image_size

        def encode_image(self, pictures, *, normalize=True):
            seen.append(pictures)
            return encoder.encode_image(pictures, normalize=normalize)

    guide.encoders = [(Spy(), 1.0)]
    target = Target("prompt", 1.0, (encoder.encode_text("a red apple"),))
    guide.score(torch.zeros(4, 10, 40), torch.tensor([0.2, 0.4, 0.6]), [target])
    assert torch.allclose(seen[0][0, :, 0, 0], torch.tensor([0.2, 0.4, 0.6]))
    assert torch.allclose(seen[0][0, :, 32, 32], torch.tensor([0.2, 0.4, 0.6]))


@pytest.mark.parametrize("names", ["pocket-clip:-1", "pocket-clip:0"])
def test_weights_of_an_ensemble_are_above_zero(pocket, names):
    with pytest.raises(EngineError, match="clip_models"):
        ClipGuide.load(pocket.clip, names)


def test_certainty_is_the_softmax_among_other_names():
    features = torch.nn.functional.normalize(torch.rand(3, 8), dim=-1)
    wanted, name = torch.eye(8)[:1], torch.eye(8)[1:2]
    expected = torch.softmax(SCALE * features[:, :2], dim=1)[:, :1].log() / SCALE
    assert torch.allclose(certainties(features, wanted, name), expected, atol=1e-5)


def test_names_that_mean_the_same_are_no_rivals():
    features, wanted = torch.rand(3, 8), torch.eye(8)[:1]
    assert torch.allclose(certainties(features, wanted, wanted), torch.zeros(3, 1), atol=1e-6)


def test_contrast_asks_for_more_than_likeness(pocket):
    encoder = pocket.clip()
    guide = ClipGuide([(encoder, 1.0)])
    target = Target("prompt", 1.0, (encoder.encode_text("a red apple"),))
    arguments = torch.zeros(4, 8, 8), torch.ones(3), [target], identity_views()
    similarities, plain = guide.look(*arguments)
    _, stricter = guide.look(*arguments, contrast=1.0)
    assert plain.item() == pytest.approx(similarities.item())
    assert stricter < plain


def test_a_text_is_drawn_to_the_names_it_resembles_and_a_name_stays():
    names = torch.eye(8)[:4]
    text = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2, 0, 0, 1.0, 0, 0, 0]]), dim=1)
    near, far = toward_names(text, names, 0.5), toward_names(text, names, 5.0)
    assert (text @ names[0]).item() < (near @ names[0]).item() < (far @ names[0]).item()
    assert (near @ names[0]).item() > 0.8
    assert near.norm().item() == pytest.approx(1, abs=1e-6)
    assert torch.allclose(toward_names(names[:1], names, 2.0), names[:1], atol=1e-6)
    assert torch.allclose(toward_names(text, names, 0.0), text)


def test_pictures_are_liked_as_they_are_scored(pocket):
    guide = ClipGuide.load(pocket.clip, "")
    targets = [guide.text_target("prompt", "a red apple", 1.0), guide.text_target("negative prompt", "a house", -0.3)]
    pictures = torch.rand(3, 3, guide.image_size, guide.image_size, generator=torch.Generator().manual_seed(0))
    opaque = torch.cat([pictures, torch.ones(3, 1, guide.image_size, guide.image_size)], dim=1)
    scores = [guide.score(rgba, torch.ones(3), targets) for rgba in opaque]
    assert guide.likings(pictures, targets, contrast=0.0).tolist() == pytest.approx(scores, abs=2e-3)
    assert not torch.allclose(guide.likings(pictures, targets), guide.likings(pictures, targets, contrast=0.0))
    assert torch.equal(guide.favourite(pictures, targets), pictures[guide.likings(pictures, targets).argmax()])


def test_a_text_is_taken_for_the_nearest_name(pocket):
    guide = ClipGuide.load(pocket.clip, "")
    assert guide.known_name("dog face") == guide.known_name("강아지 얼굴") == "dog face"
