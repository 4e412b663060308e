# `cmake --install`: archives, headers, a CMake package and pkg-config files for every library that is built.
#
#   find_package(Cairn COMPONENTS base storage)   Cairn::base, Cairn::storage and what their headers need
#   pkg-config --cflags --libs cairn-storage      the same for other build systems
#
# Two install components: libcairn-dev (here) and cairn-programs (cairn_app and cmake/Packages.cmake). What a library
# links for itself only (BoringSSL with its own symbol prefix, BLAKE3) is installed as an archive beside it, without
# headers.
include_guard(GLOBAL)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Cairn)
set(_pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# One entry of a library's link interface as pkg-config words: appends to `requires` or `libs` of the caller.
function(_cairn_pkgconfig_words entry)
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" entry "${entry}")
  if(entry MATCHES "^absl::(.*)$")
    set(word absl_${CMAKE_MATCH_1})
  elseif(entry MATCHES "^Cairn::(.*)$")
    set(word cairn-${CMAKE_MATCH_1})
  elseif(entry STREQUAL "PkgConfig::LMDB")
    set(word lmdb)
  elseif(entry STREQUAL "PkgConfig::ISAL")
    set(word libisal)
  elseif(entry STREQUAL "protobuf::libprotobuf")
    set(word protobuf)
  elseif(entry STREQUAL "gRPC::grpc++")
    set(word grpc++)
  elseif(entry STREQUAL "OpenSSL::SSL")
    set(word libssl)
  elseif(entry STREQUAL "spdlog::spdlog")
    set(word spdlog)
  elseif(entry STREQUAL "prometheus-cpp::core")
    set(word prometheus-cpp-core)
  elseif(entry STREQUAL "tomlplusplus::tomlplusplus")
    set(word tomlplusplus)
  elseif(entry STREQUAL "CLI11::CLI11")
    return()  # headers that ours do not include
  elseif(entry STREQUAL "gRPC::grpc++_reflection")
    set(libs ${libs} -lgrpc++_reflection PARENT_SCOPE)
    return()
  elseif(entry STREQUAL "Threads::Threads")
    set(libs ${libs} -pthread PARENT_SCOPE)
    return()
  elseif(entry STREQUAL "BoringSSL::crypto")
    set(libs ${libs} -lcairn_boringssl PARENT_SCOPE)
    return()
  elseif(entry STREQUAL "Blake3::blake3")
    set(libs ${libs} -lcairn_blake3 PARENT_SCOPE)
    return()
  elseif(TARGET ${entry})
    set(libs ${libs} -l${entry} PARENT_SCOPE)
    return()
  else()
    message(FATAL_ERROR "cmake/Install.cmake: no pkg-config name for ${entry}")
  endif()
  set(requires ${requires} ${word} PARENT_SCOPE)
endfunction()

function(_cairn_pkgconfig name)
  set(requires)
  set(libs)
  foreach(target cairn_${name} ${ARGN})
    get_target_property(type ${target} TYPE)
    get_target_property(entries ${target} INTERFACE_LINK_LIBRARIES)
    if(NOT entries OR type STREQUAL "INTERFACE_LIBRARY")
      continue()
    endif()
    foreach(entry ${entries})
      _cairn_pkgconfig_words(${entry})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES requires)
  list(REMOVE_DUPLICATES libs)
  list(JOIN requires " " requires)
  list(JOIN libs " " libs)
  set(more_includes)
  if(name STREQUAL "client")
    set(more_includes " -I\${includedir}/cairn-client")
  endif()
  file(RELATIVE_PATH to_prefix /${_pkgconfig_dir} /)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/cairn.pc.in ${PROJECT_BINARY_DIR}/install/cairn-${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/install/cairn-${name}.pc DESTINATION ${_pkgconfig_dir} COMPONENT libcairn-dev)
endfunction()

# cairn_install_library(<name> [target...]): cairn_<name> and the targets that only it links, as component <name>.
function(cairn_install_library name)
  install(TARGETS cairn_${name} ${ARGN} EXPORT Cairn_${name}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libcairn-dev)
  install(EXPORT Cairn_${name} NAMESPACE Cairn:: FILE Cairn_${name}.cmake DESTINATION ${_package_dir}
    COMPONENT libcairn-dev)
  if(EXISTS ${PROJECT_SOURCE_DIR}/lib${name}/include)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/lib${name}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
      COMPONENT libcairn-dev)
  endif()
  _cairn_pkgconfig(${name} ${ARGN})
endfunction()

set_target_properties(boringssl_crypto PROPERTIES EXPORT_NAME base_boringssl)
set_target_properties(cairn_blake3 PROPERTIES EXPORT_NAME base_blake3)
cairn_install_library(base boringssl_crypto cairn_blake3)
get_target_property(_archive boringssl_crypto CAIRN_ARCHIVE)
install(FILES ${_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libcairn-dev)
cairn_install_library(storage)
cairn_install_library(payment)
if(TARGET cairn_chain)
  set_target_properties(cairn_chain_proto PROPERTIES EXPORT_NAME chain_proto)
  cairn_install_library(chain cairn_chain_proto)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/gen/cairn/chain DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn
    COMPONENT libcairn-dev FILES_MATCHING PATTERN "*.pb.h")
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/cairn DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn/proto
    COMPONENT libcairn-dev FILES_MATCHING PATTERN "*.proto")
endif()

# The client library is made of what the programs share: their headers keep their names, below a folder of their own.
if(TARGET cairn_client)
  set(_shared cairn_rpc cairn_app_common cairn_rpc_proto cairn_google_proto cairn_reflection_proto)
  foreach(_target ${_shared})
    string(REPLACE cairn_ client_ _export ${_target})
    set_target_properties(${_target} PROPERTIES EXPORT_NAME ${_export})
  endforeach()
  target_include_directories(cairn_client INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/cairn-client>)
  cairn_install_library(client ${_shared})
  foreach(_folder client common rpc)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/apps/${_folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn-client/apps
      COMPONENT libcairn-dev FILES_MATCHING PATTERN "*.h")
  endforeach()
  install(DIRECTORY ${PROJECT_BINARY_DIR}/gen/cairn/rpc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cairn
    COMPONENT libcairn-dev FILES_MATCHING PATTERN "*.pb.h")
endif()

configure_package_config_file(cmake/CairnConfig.cmake.in ${PROJECT_BINARY_DIR}/install/CairnConfig.cmake
  INSTALL_DESTINATION ${_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/install/CairnConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/install/CairnConfig.cmake ${PROJECT_BINARY_DIR}/install/CairnConfigVersion.cmake
  DESTINATION ${_package_dir} COMPONENT libcairn-dev)
