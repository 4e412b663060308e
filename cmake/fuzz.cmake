# cmake -C cmake/fuzz.cmake -S . -B build/fuzz: the libraries and the fuzz targets under libFuzzer, ASan and UBSan
set(CMAKE_C_COMPILER clang CACHE STRING "")
set(CMAKE_CXX_COMPILER clang++ CACHE STRING "")
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -fsanitize=fuzzer-no-link" CACHE STRING "")
set(CAIRN_SANITIZE "address,undefined" CACHE STRING "")
set(CAIRN_FUZZ ON CACHE BOOL "build the fuzz targets with libFuzzer")
set(CAIRN_CHAIN OFF CACHE BOOL "")
set(CAIRN_APPS OFF CACHE BOOL "")
