from engines.vector.rasterizer.native import compiling


def test_first_writable_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "given"))
    folder = compiling.cache_folder()
    assert folder.parent == tmp_path / "given"
    assert folder.is_dir()


def test_unwritable_folders_are_passed_over(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")  # not even root can make a folder in a file
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setattr(compiling, "HERE", blocked)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert compiling.cache_folder().parent == tmp_path / "user/atelier"
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert compiling.cache_folder() is None


def test_kernels_work_without_a_cache(monkeypatch):
    monkeypatch.setattr(compiling, "_folder", None)

    @compiling.jit
    def double(x):
        return x + x

    assert double(2.5) == 5.0


def test_kernels_are_cached():
    from engines.vector.rasterizer.native.geometry import point_at

    assert compiling.cache_folder().name in point_at.stats.cache_path
