"""Folders of annotated photographs."""

import json

import pytest
from PIL import Image

from workbench.adapters.images import load_scenes, read_coco_folder
from workbench.errors import SourceError


@pytest.fixture
def folder(tmp_path):
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / name)
    coco = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(coco))
    (tmp_path / "splits.csv").write_text("file,session\n0.png,a\n1.png,a\n2.png,a\n3.png,b\n")
    return tmp_path


def test_reads_boxes_of_their_own_image(folder):
    scenes = {scene.name: scene for scene in read_coco_folder(folder)}
    assert scenes["1.png"].boxes.tolist() == [[1, 2, 3, 4]]
    assert scenes["0.png"].boxes.shape == (0, 4)
    assert scenes["3.png"].image[0, 0].tolist() == [3, 0, 0]


def test_a_sample_takes_sessions_in_turn(folder):
    for seed in range(5):
        names = {scene.name for scene in read_coco_folder(folder, limit=2, seed=seed)}
        assert "3.png" in names


def test_real_photographs_hold_the_published_number_of_boxes(shared):
    scenes = read_coco_folder(shared("data/vision/pallet_boxes"))
    assert len(scenes) == 1542
    assert sum(len(scene.boxes) for scene in scenes) == 25_273


def test_without_a_folder_racks_are_rendered():
    assert [scene.name for scene in load_scenes("", count=2, seed=3)] == [
        "rendered-3-0000",
        "rendered-3-0001",
    ]


def test_missing_annotations_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"annotations\.json: not found"):
        read_coco_folder(tmp_path)


def test_missing_photograph_is_named(folder):
    (folder / "2.png").unlink()
    with pytest.raises(SourceError, match=r"2\.png: not found"):
        read_coco_folder(folder)


def test_unreadable_photograph_is_named(folder):
    (folder / "2.png").write_bytes(b"not an image")
    with pytest.raises(SourceError, match=r"2\.png: not a readable image"):
        read_coco_folder(folder)
