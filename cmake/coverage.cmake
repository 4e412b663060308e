# cmake -C cmake/coverage.cmake -S . -B build/coverage: the release build, but the sources in tests/fuzz/decoders.txt have
# their lines counted by gcov; tests/fuzz/coverage reads them. The rest is as in build/release, so ccache has it.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(CAIRN_COUNTED ON CACHE BOOL "count the lines of the decoders")
