# cmake -C cmake/coverage.cmake -S . -B build/coverage: lines counted by gcov; tests/fuzz/coverage reads them
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1 --coverage" CACHE STRING "")
set(CMAKE_C_FLAGS_DEBUG "-O3 -DNDEBUG" CACHE STRING "others' libraries: not measured")
