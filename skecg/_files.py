"""Files that are whole or absent, and archives of a manifest and arrays with their hash."""

import hashlib
import json
import os
import secrets
import struct
import zipfile
from contextlib import contextmanager, suppress

import numpy as np
import safetensors.numpy

_MEMBERS = ("manifest.json", "arrays.safetensors")
_LARGEST_MANIFEST = 2**22  # bytes, 4 MiB; that of a network has some 10 kB
_LARGEST = 2**32 - 1  # bytes, what a zip without its 64-bit extension can hold
# What a file may expand to: a forest's arrays shrink by 10, a bomb's zeros by 1000.
_SMALL, _RATIO = 2**26, 100
_PART = 2**24  # bytes of an array that are hashed at a time
_END = struct.Struct("<4s4H2LH")  # zip's end of central directory


class ModelFileError(ValueError):
    """A file holds no model that can be used, or a model cannot be put into a file."""


def hash_array(digest, array):
    """Feed the values of an array of numbers to a digest, in parts: a memory map stays on disk."""
    rows = np.atleast_1d(array)
    step = max(1, _PART // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        digest.update(rows[start : start + step].tobytes())


def check_regular(path):
    """Raise OSError for a device, or a pipe, which would be waited for."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path} is not a regular file.")


@contextmanager
def whole_file(path):
    """Write a file that takes the place of `path` only once it is complete and on the disk.

    Parameters
    ----------
    path : str or path-like
        Where the file will be. What is there stays until then, and if the block raises.

    Yields
    ------
    file : binary file, to write and to read
        A hidden file in the same folder.
    """
    check_regular(path)
    folder, name = os.path.split(os.path.realpath(path))
    part = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, os.path.join(folder, name))
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(part)
        raise
    if os.name == "posix":  # the new name, too, is on the disk only once its folder is
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_archive(file, manifest, arrays, *, compress=True):
    """Write a manifest and arrays as a zip; the same content gives the same bytes.

    Parameters
    ----------
    file : binary file
        Open to write.
    manifest : dict
        What JSON can hold, without a key "arrays".
    arrays : dict of str to ndarray
        Numbers, as safetensors takes them.
    compress : bool, default=True
        Whether to take time for a smaller file.
    """
    data = safetensors.numpy.save(arrays)
    digest = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    text = json.dumps(manifest | {"arrays": digest}, indent=1, allow_nan=False).encode()
    if len(text) > _LARGEST_MANIFEST or len(data) > _LARGEST:
        raise ModelFileError(
            f"The model is too large for a file: {len(text)} bytes of parameters, of which "
            f"{_LARGEST_MANIFEST} fit, and {len(data)} bytes of arrays, of which {_LARGEST} fit."
        )
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in zip(_MEMBERS, (text, data), strict=True):
            info = zipfile.ZipInfo(name)  # dated 1980
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            archive.writestr(info, content, compresslevel=1)


def read_archive(file):
    """Read what :func:`write_archive` wrote, and nothing else.

    Parameters
    ----------
    file : binary file
        Open to read.

    Returns
    -------
    manifest : dict
    arrays : dict of str to ndarray

    Raises
    ------
    ModelFileError
        If the file is not such an archive to the letter.
    """
    size = _check_frame(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if tuple(info.filename for info in infos) != _MEMBERS:
                raise ModelFileError(f"it does not hold {' and '.join(_MEMBERS)} alone.")
            ends = [i.header_offset + 30 + len(i.filename) + i.compress_size for i in infos]
            if [0, *ends] != [*(i.header_offset for i in infos), archive.start_dir]:
                raise ModelFileError("there is something between its members.")
            text, data = (
                _read_member(archive, info, limit)
                for info, limit in zip(
                    infos,
                    (_LARGEST_MANIFEST, min(_LARGEST, max(_SMALL, _RATIO * size))),
                    strict=True,
                )
            )
        manifest = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        digest = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        if not isinstance(manifest, dict) or manifest.pop("arrays", None) != digest:
            raise ModelFileError("its arrays do not have the sha256 that its manifest gives.")
        return manifest, safetensors.numpy.load(data)
    except ModelFileError:
        raise
    except Exception as error:  # the file says what happens above; what fails is its fault
        raise ModelFileError(f"it is damaged ({type(error).__name__}: {error}).") from error


def _check_frame(file):
    """Return the size of a zip of two members with nothing before, after or between."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(4)
    if start != b"PK\x03\x04" or size < _END.size + 20:
        raise ModelFileError(
            "it is none that skecg wrote. Pickles and the files of torch.save are not opened: they "
            "can run any code."
        )
    file.seek(-_END.size - 20, os.SEEK_END)
    locator = file.read(4)  # of zip's 64-bit extension, which gives other sizes
    file.seek(-_END.size, os.SEEK_END)
    signature, *disks, n_here, n_members, length, offset, comment = _END.unpack(file.read())
    # An entry of the directory takes 46 bytes and its name; the lengths of name, extra field and
    # comment stand at 28.
    starts = (0, 46 + len(_MEMBERS[0]))
    expected = sum(46 + len(name) for name in _MEMBERS)
    if (signature, n_here, n_members, length, comment) != (b"PK\x05\x06", 2, 2, expected, 0) or (
        any(disks) or locator == b"PK\x06\x07" or offset + length + _END.size != size
    ):
        raise ModelFileError("it is cut off, or is a zip of other content.")
    file.seek(offset)
    directory = file.read(length)
    lengths = [struct.unpack_from("<3H", directory, start + 28) for start in starts]
    if lengths != [(len(name), 0, 0) for name in _MEMBERS]:
        raise ModelFileError("it is a zip of other content.")
    return size


def _read_member(archive, info, limit):
    if info.flag_bits or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelFileError(f"{info.filename} is encrypted or compressed in an unknown way.")
    if info.file_size > limit:
        raise ModelFileError(f"{info.filename} would expand to {info.file_size} bytes.")
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
        if len(content) != info.file_size or member.read(1):
            raise ModelFileError(f"{info.filename} is not as long as the file says.")
    return content


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")
