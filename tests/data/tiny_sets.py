"""Tiny data sets in the published formats, for tests: each writer returns what it has written."""

import gzip
import struct

import numpy as np
from PIL import Image
from scipy.io import savemat

PALETTE = [value for index in range(256) for value in (index, 255 - index, index // 2)]


def idx(array):
    """Return the bytes of an IDX file."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def save(path, array, format, mode=None, **options):
    """Write bytes as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if mode == "P":
        image = Image.frombytes("P", image.size, array.tobytes())
        image.putpalette(PALETTE)
    image.save(path, format, **options)


def save_lines(path, *lines):
    """Write a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def plain_colour(rng, height, width):
    """Return a picture of one colour, which JPEG keeps to one level or two."""
    return np.broadcast_to(rng.integers(0, 256, 3, np.uint8), (height, width, 3)).copy()


def write_mnist(folder, mark="-", end=".gz", pack=gzip.compress):
    """Return pictures and labels by the names of the parts."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for part, count in (("train", 5), ("t10k", 3)):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        images[0, 0, :2] = 0, 255
        written[part] = images, labels
        for kind, array in zip(("images", "labels"), written[part], strict=True):
            (folder / f"{part}-{kind}{mark}idx{array.ndim}-ubyte{end}").write_bytes(pack(idx(array)))
    return written


def write_cluttered_mnist(folder):
    """Return the arrays of the file."""
    rng = np.random.default_rng(2)
    arrays = {}
    for part, count in (("train", 4), ("valid", 3), ("test", 2)):
        arrays[f"X_{part}"] = rng.random((count, 1600), np.float32)
        arrays[f"y_{part}"] = rng.integers(0, 10, (count, 1), np.int32)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mnist_sequence1_sample_5distortions5x5.npz", **arrays)
    return arrays


def write_svhn(folder):
    """Return the arrays of both files: the digit 0 is labelled 10, and the pictures are last in X."""
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for part, count in (("train", 4), ("test", 3)):
        pictures = rng.integers(0, 256, (32, 32, 3, count), np.uint8)
        labels = np.arange(11 - count, 11, dtype=np.uint8)[:, None]
        written[part] = {"X": pictures, "y": labels}
        savemat(folder / f"{part}_32x32.mat", written[part], do_compression=True)
    return written


def write_svhn_subset(folder):
    """Return the arrays of the file."""
    rng = np.random.default_rng(4)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"x": rng.integers(0, 256, (7, 32, 32, 3), np.uint8), "y": rng.integers(0, 10, 7, np.uint8)}
    np.savez_compressed(folder / "svhn_test_first6000_32x32.npz", **arrays)
    return arrays


GTSRB_COLUMNS = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


def write_gtsrb(folder, training="Final_Training/Images", test_list="GT-final_test.csv"):
    """Return (class, track, frame, picture, region) of the training pictures, (class, picture, region) of the others.

    Class c has 1 + c % 3 tracks of two frames, pictures of one colour and several sizes.
    """
    rng = np.random.default_rng(5)
    train, test = [], []
    for label in range(43):
        lines = []
        for track in range(1 + label % 3):
            for frame in range(2):
                width, height = 6 + label % 2, 5 + track
                picture = plain_colour(rng, height, width)
                region = (width, height, 1, 1, width - 2, height - 2)
                name = f"{track:05}_{frame:05}.ppm"
                save(folder / training / f"{label:05}" / name, picture, "PPM")
                lines.append(";".join(map(str, (name, *region, label))))
                train.append((label, track, frame, picture, region))
        save_lines(folder / training / f"{label:05}" / f"GT-{label:05}.csv", GTSRB_COLUMNS, *lines)
    lines = []
    for number, label in enumerate((7, 0, 42)):
        picture = plain_colour(rng, 6, 6)
        region = (6, 6, 0, 1, 4, 5)
        save(folder / "Final_Test/Images" / f"{number:05}.ppm", picture, "PPM")
        lines.append(";".join(map(str, (f"{number:05}.ppm", *region, label))))
        test.append((label, picture, region))
    save_lines(folder / test_list, GTSRB_COLUMNS, *lines)
    return train, test


def write_gtsrb_subset(folder):
    """Return the arrays of the file: two tracks of each of three classes, three frames of each."""
    rng = np.random.default_rng(6)
    arrays = {"y_train": np.repeat(np.array([3, 0, 42], np.uint8), 6), "y_test": np.array([1, 2], np.uint8)}
    track_frames = [(track, frame) for _ in range(3) for track in (8, 2) for frame in (0, 14, 29)]
    arrays["track_frame_train"] = np.array(track_frames, np.int16)
    for part, count in (("train", 18), ("test", 2)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"roi_{part}"] = rng.integers(5, 60, (count, 6), np.int16)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "gtsrb32_subset.npz", **arrays)
    return arrays


def write_cub(folder):
    """Return (label, whether it trains, picture) of each photograph; classes have the numbers 1, 2 and 10."""
    rng = np.random.default_rng(7)
    numbers = {1: "001.Black_footed_Albatross", 2: "002.Laysan_Albatross", 10: "010.Red_winged_Blackbird"}
    birds = [(0, True), (0, False), (1, True), (1, True), (2, False)]
    lists = {name: [] for name in ("images", "image_class_labels", "train_test_split")}
    written = []
    for number, (label, trains) in enumerate(birds, 1):
        key = list(numbers)[label]
        picture = plain_colour(rng, 10 + number, 12)
        save(folder / "images" / numbers[key] / f"a_{number}.jpg", picture, "JPEG", quality=100)
        written.append((label, trains, picture))
        lists["images"].append(f"{number} {numbers[key]}/a_{number}.jpg")
        lists["image_class_labels"].append(f"{number} {key}")
        lists["train_test_split"].append(f"{number} {int(trains)}")
    for name, lines in lists.items():
        save_lines(folder / f"{name}.txt", *lines)
    save_lines(folder / "classes.txt", *(f"{key} {name}" for key, name in reversed(numbers.items())))
    return written


def write_cub_subset(folder):
    """Return (label, whether it trains, picture) of each photograph; one is grey."""
    rng = np.random.default_rng(8)
    written, lines = [], []
    for number, (label, trains) in enumerate([(1, False), (0, True), (1, True), (0, True)]):
        name = ("Bobolink", "Gadwall")[label]
        picture = plain_colour(rng, 16, 16)
        save(folder / "images" / name / f"{number:04}.jpg", picture if number else picture[..., 0], "JPEG", quality=100)
        written.append((label, trains, picture if number else picture[..., :1].repeat(3, axis=2)))
        lines.append(f"{name}/{number:04}.jpg,{label},{name},{'train' if trains else 'test'}")
    save_lines(folder / "index.csv", "path,label,class,split", *lines)
    return written


def write_voc(folder):
    """Return the pictures and the classes of their pixels by name; "train" lists b and a, "val" c."""
    rng = np.random.default_rng(9)
    written = {}
    for name, height in (("2007_a", 6), ("2007_b", 7), ("2008_c", 8)):
        picture = plain_colour(rng, height, 9)
        classes = rng.integers(0, 21, (height, 9), np.uint8)
        classes[0, :3] = 255, 0, 20
        save(folder / "JPEGImages" / f"{name}.jpg", picture, "JPEG", quality=100)
        save(folder / "SegmentationClass" / f"{name}.png", classes, "PNG", "P")
        written[name] = picture, classes
    save_lines(folder / "ImageSets/Segmentation/train.txt", "2007_b", "2007_a")
    save_lines(folder / "ImageSets/Segmentation/val.txt", "2008_c")
    return written


def write_em(folder):
    """Return sections (4, 6, 8) of bytes, and membranes (4, 6, 8) of bools."""
    rng = np.random.default_rng(10)
    sections, membranes = rng.integers(0, 256, (4, 6, 8), np.uint8), rng.random((4, 6, 8)) < 0.2
    for number, (section, membrane) in enumerate(zip(sections, membranes, strict=True)):
        save(folder / "raw" / f"{number:02}.tif", section, "TIFF")
        # As published, of one bit a pixel; and as others write it, of eight.
        stored = membrane if number else (255 * membrane).astype(np.uint8)
        save(folder / "membranes" / f"{number:02}.png", stored, "PNG")
    return sections, membranes


def write_rasl(folder):
    """Return the pictures, and their points as MATLAB has them, by the names of sets and files."""
    rng = np.random.default_rng(11)
    written = {}
    for name, count, kind in (("Al_Gore", 3, np.float64), ("Digits_3", 2, np.uint8)):
        for number in range(count):
            picture = rng.integers(0, 256, (7 + number, 5), np.uint8)
            points = (1 + 6 * rng.random((2, 2))).astype(kind)
            save(folder / name / f"{number:03}.bmp", picture, "BMP")
            savemat(folder / name / f"{number:03}-points.mat", {"points": points})
            written[name, f"{number:03}"] = picture, points
    return written


def flo(flow):
    """Return the bytes of a .flo file with a flow (h, w, 2)."""
    height, width, _ = flow.shape
    return struct.pack("<fii", 202021.25, width, height) + flow.astype("<f4").tobytes()


def write_middlebury(folder, flows=".", frames="."):
    """Return both frames (5, 7, 3) and the flow (5, 7, 2), of which three pixels are unknown."""
    rng = np.random.default_rng(12)
    pictures = rng.integers(0, 256, (2, 5, 7, 3), np.uint8)
    flow = rng.normal(0, 3, (5, 7, 2)).astype(np.float32)
    flow[0, 0], flow[1, 6, 1], flow[4, 2, 0] = 1e10, -1e9, np.nan
    for number, picture in enumerate(pictures):
        save(folder / frames / "Cube" / f"frame1{number}.png", picture, "PNG")
    (folder / flows / "Cube").mkdir(parents=True, exist_ok=True)
    (folder / flows / "Cube" / "flow10.flo").write_bytes(flo(flow))
    return pictures, flow


# By data set and form: the folder below the one with all sets, and what writes it.
WRITERS = {
    ("mnist", "published"): ("mnist", write_mnist),
    ("cluttered_mnist", "published"): ("cluttered_mnist", write_cluttered_mnist),
    ("svhn", "published"): ("svhn", write_svhn),
    ("svhn", "subset"): ("svhn32", write_svhn_subset),
    ("gtsrb", "published"): ("GTSRB", write_gtsrb),
    ("gtsrb", "subset"): ("gtsrb32", write_gtsrb_subset),
    ("cub", "published"): ("CUB_200_2011", write_cub),
    ("cub", "subset"): ("cub20", write_cub_subset),
    ("voc", "published"): ("VOCdevkit/VOC2012", write_voc),
    ("em", "published"): ("em_vnc/stack1", write_em),
    ("rasl", "published"): ("rasl/data", write_rasl),
    ("middlebury", "published"): ("middlebury", write_middlebury),
}


def write_set(data, name, form="published"):
    """Write a set below the folder with all sets; return its folder, and what was written."""
    below, write = WRITERS[name, form]
    return data / below, write(data / below)
