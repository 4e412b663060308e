# Debian packages by CPack: libcairn-dev (libraries) and cairn-programs (programs, units, users, sample configuration,
# manual pages, completions).
#
#   cpack -G DEB --config build/release/CPackConfig.cmake
include_guard(GLOBAL)
include(GNUInstallDirs)

# A daemon's unit, user and configuration come with the daemon. The configuration is what the daemon itself prints, with
# the state where the unit keeps it; systemd-tmpfiles copies it to /etc/cairn unless there is one.
set(_programs)
foreach(_program chaind storaged cdnd storectl)
  if(TARGET ${_program})
    list(APPEND _programs ${_program})
  endif()
endforeach()
set(_samples)
foreach(_daemon chaind storaged cdnd)
  if(_daemon IN_LIST _programs)
    set(_sample ${PROJECT_BINARY_DIR}/install/${_daemon}.toml)
    add_custom_command(OUTPUT ${_sample}
      COMMAND sh ${PROJECT_SOURCE_DIR}/packaging/sample-config.sh $<TARGET_FILE:${_daemon}> /var/lib/cairn/${_daemon}
              ${_sample}
      DEPENDS ${_daemon} ${PROJECT_SOURCE_DIR}/packaging/sample-config.sh VERBATIM)
    list(APPEND _samples ${_sample})
    set(_systemd ${PROJECT_SOURCE_DIR}/packaging/systemd)
    install(FILES ${_systemd}/${_daemon}.service DESTINATION lib/systemd/system COMPONENT cairn-programs)
    install(FILES ${_systemd}/${_daemon}.sysusers DESTINATION lib/sysusers.d RENAME cairn-${_daemon}.conf
      COMPONENT cairn-programs)
    install(FILES ${_systemd}/${_daemon}.tmpfiles DESTINATION lib/tmpfiles.d RENAME cairn-${_daemon}.conf
      COMPONENT cairn-programs)
    install(FILES ${_sample} DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn COMPONENT cairn-programs)
  endif()
endforeach()
if(_samples)
  add_custom_target(sample_configs ALL DEPENDS ${_samples})
endif()

# Manual pages and completions, printed by the programs from the tree that parses their command lines.
set(_share ${PROJECT_BINARY_DIR}/install/share)
set(_texts)
foreach(_program ${_programs})
  set(_section 8)
  if(_program STREQUAL "storectl")
    set(_section 1)
  endif()
  set(_completion ${_share}/bash-completion/completions/${_program})
  set(_page ${_share}/man/man${_section}/${_program}.${_section}.gz)
  add_custom_command(
    OUTPUT ${_page} ${_completion} ${_share}/zsh/vendor-completions/_${_program}
           ${_share}/fish/vendor_completions.d/${_program}.fish
    COMMAND sh ${PROJECT_SOURCE_DIR}/packaging/program-texts.sh $<TARGET_FILE:${_program}> ${_section} ${_share}
    DEPENDS ${_program} ${PROJECT_SOURCE_DIR}/packaging/program-texts.sh VERBATIM)
  list(APPEND _texts ${_completion})
  install(FILES ${_page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${_section} COMPONENT cairn-programs)
endforeach()
if(_texts)
  add_custom_target(program_texts ALL DEPENDS ${_texts})
  install(DIRECTORY ${_share}/bash-completion ${_share}/zsh ${_share}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}
    COMPONENT cairn-programs)
endif()

# Who wrote what is inside the archives.
foreach(_component libcairn-dev cairn-programs)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${_component}
    RENAME copyright COMPONENT ${_component})
  install(FILES ${BORINGSSL_SOURCE_DIR}/src/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${_component}
    RENAME copyright.boringssl COMPONENT ${_component} OPTIONAL)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME cairn)
set(CPACK_PACKAGE_VENDOR Cairn)
set(CPACK_PACKAGE_CONTACT "The Cairn developers <cairn@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "decentralised storage and delivery")
set(CPACK_PACKAGE_FILE_NAME cairn-${PROJECT_VERSION})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL libcairn-dev)
if(_programs)
  list(APPEND CPACK_COMPONENTS_ALL cairn-programs)
endif()
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)

set(CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_NAME libcairn-dev)
set(CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBCAIRN-DEV_DESCRIPTION
  "libraries of Cairn for programs that embed it\n Static archives, headers, a CMake package and pkg-config files.")
set(_dev_depends libabsl-dev liblmdb-dev libisal-dev)
if(CAIRN_CHAIN)
  list(APPEND _dev_depends libprotobuf-dev)
endif()
if(CAIRN_APPS)
  # The CMake package of gRPC wants its code generator to be there.
  list(APPEND _dev_depends libgrpc++-dev protobuf-compiler-grpc libssl-dev libcli11-dev libtomlplusplus-dev libspdlog-dev
    prometheus-cpp-dev)
endif()
list(JOIN _dev_depends ", " CPACK_DEBIAN_LIBCAIRN-DEV_PACKAGE_DEPENDS)

set(CPACK_DEBIAN_CAIRN-PROGRAMS_PACKAGE_NAME cairn-programs)
set(CPACK_COMPONENT_CAIRN-PROGRAMS_DESCRIPTION
  "storage provider, ledger and command line of Cairn\n The services are installed switched off; see /etc/cairn.")
set(CPACK_DEBIAN_CAIRN-PROGRAMS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_CAIRN-PROGRAMS_PACKAGE_DEPENDS
  "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles")
set(CPACK_DEBIAN_CAIRN-PROGRAMS_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/debian/postinst
  ${PROJECT_SOURCE_DIR}/packaging/debian/prerm ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_DEBIAN_CAIRN-PROGRAMS_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
