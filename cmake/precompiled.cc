// The one source of the targets that hold precompiled headers: see adit.cmake.
