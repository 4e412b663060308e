# BoringSSL::crypto: libcrypto as a static, hidden archive whose every symbol carries a prefix, so that it can live in
# one process with the OpenSSL that Debian's gRPC links, in any link order. Only libbase links it.
include_guard(GLOBAL)
enable_language(C)
enable_language(ASM)
include(GNUInstallDirs)
set(BORINGSSL_SYMBOL_PREFIX "cairn_bssl" CACHE STRING "prefix of every BoringSSL symbol")
set(BORINGSSL_ROOT "${BORINGSSL_SOURCE_DIR}/")
include("${BORINGSSL_SOURCE_DIR}/android-sources.cmake")
set(_assembly)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(_assembly ${crypto_sources_linux_x86_64})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(_assembly ${crypto_sources_linux_aarch64})
endif()
list(FILTER _assembly EXCLUDE REGEX "/crypto/test/")

add_library(boringssl_raw STATIC EXCLUDE_FROM_ALL ${crypto_sources} ${_assembly})
target_include_directories(boringssl_raw PRIVATE ${BORINGSSL_SOURCE_DIR}/src/include ${BORINGSSL_SOURCE_DIR}/src/crypto)
target_compile_definitions(boringssl_raw PRIVATE BORINGSSL_IMPLEMENTATION NDEBUG
  $<$<NOT:$<BOOL:${_assembly}>>:OPENSSL_NO_ASM>)
target_compile_options(boringssl_raw PRIVATE -O3 -w -fno-strict-aliasing -ffunction-sections -fdata-sections
  -fno-sanitize=all $<$<COMPILE_LANGUAGE:C>:-std=gnu11> -Wa,--noexecstack)
set_target_properties(boringssl_raw PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
  DISABLE_PRECOMPILE_HEADERS ON UNITY_BUILD OFF)

set(_out "${CMAKE_BINARY_DIR}/boringssl")
file(MAKE_DIRECTORY "${_out}/include")
add_custom_command(
  OUTPUT ${_out}/libcairn_boringssl.a ${_out}/include/boringssl_prefix_symbols.h
  COMMAND sh ${CMAKE_SOURCE_DIR}/cmake/prefix-symbols.sh $<TARGET_FILE:boringssl_raw> ${BORINGSSL_SYMBOL_PREFIX}
          ${_out}/libcairn_boringssl.a ${_out}/include/boringssl_prefix_symbols.h ${CMAKE_NM} ${CMAKE_OBJCOPY}
  DEPENDS boringssl_raw ${CMAKE_SOURCE_DIR}/cmake/prefix-symbols.sh
  VERBATIM)
add_custom_target(boringssl_prefixed DEPENDS ${_out}/libcairn_boringssl.a)
add_library(boringssl_crypto INTERFACE)
add_dependencies(boringssl_crypto boringssl_prefixed)
target_include_directories(boringssl_crypto SYSTEM INTERFACE
  $<BUILD_INTERFACE:${_out}/include> $<BUILD_INTERFACE:${BORINGSSL_SOURCE_DIR}/src/include>)
target_compile_definitions(boringssl_crypto INTERFACE $<BUILD_INTERFACE:BORINGSSL_PREFIX=${BORINGSSL_SYMBOL_PREFIX}>)
# Installed, the archive stands beside libcairn_base.a; its headers stay behind.
target_link_libraries(boringssl_crypto INTERFACE $<BUILD_INTERFACE:${_out}/libcairn_boringssl.a>
  $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_LIBDIR}/libcairn_boringssl.a> Threads::Threads)
set_target_properties(boringssl_crypto PROPERTIES CAIRN_ARCHIVE ${_out}/libcairn_boringssl.a)
add_library(BoringSSL::crypto ALIAS boringssl_crypto)
