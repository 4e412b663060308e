# cmake -C cmake/tsan.cmake -S . -B build/tsan
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1" CACHE STRING "")
set(CAIRN_SANITIZE "thread" CACHE STRING "")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -DNDEBUG" CACHE STRING "others' libraries: not instrumented")
