# Blake3::blake3: the official C implementation with its assembly kernels, static and hidden. Its internal header is
# on the include path because the tree with chunk groups (libbase/src/blake3_tree.cc) calls the compression function.
include_guard(GLOBAL)
enable_language(C)
enable_language(ASM)
set(_sources blake3.c blake3_dispatch.c blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND _sources blake3_sse2_x86-64_unix.S blake3_sse41_x86-64_unix.S blake3_avx2_x86-64_unix.S
       blake3_avx512_x86-64_unix.S)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND _sources blake3_neon.c)
endif()
list(TRANSFORM _sources PREPEND "${BLAKE3_SOURCE_DIR}/")
add_library(cairn_blake3 STATIC EXCLUDE_FROM_ALL ${_sources})
target_include_directories(cairn_blake3 SYSTEM PUBLIC $<BUILD_INTERFACE:${BLAKE3_SOURCE_DIR}>)
target_compile_options(cairn_blake3 PRIVATE -O3 -w -fno-sanitize=all)
set_target_properties(cairn_blake3 PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
  DISABLE_PRECOMPILE_HEADERS ON)
add_library(Blake3::blake3 ALIAS cairn_blake3)
