"""The promises of the documents, each beside the tests that hold it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = "README.md"
IMAGES = "runtime/twinlens/images/IMAGES.md"
BULK = "docs/pages/guides/bulk.md"
SERVE = "docs/pages/guides/serve.md"
BROWSE = "docs/pages/guides/browse.md"
MEASURE = "docs/pages/guides/measure.md"
PROCESSES = "docs/pages/guides/processes.md"
COMMANDS = "docs/pages/guides/command-line.md"
EXPORT = "docs/pages/models/export.md"
PROMISES: dict[tuple[str, str], tuple[str, ...]] = {
    (README, "is on CUDA or an error that names the cure"): (
        "runtime/ort/test_device_choice.py::test_cuda_on_a_cpu_wheel_is_an_error_with_the_cure",
        "runtime/ort/test_device_choice.py::test_a_silent_fall_back_to_the_cpu_is_an_error",
        "runtime/commands/test_choices.py::test_evaluate_on_a_device_that_is_not_there_is_an_error",
    ),
    (README, "a bundle in transformers.js, fastembed, OpenVINO and more"): (
        "portability/test_tools.py::test_rows_are_near_those_of_twinlens",
    ),
    (README, "names the cure of a broken installation"): (
        "runtime/ort/cuda/test_installation.py::test_a_broken_installation_is_named_with_its_cure",
    ),
    (README, "No node of a tower runs on the CPU unnoticed"): (
        "runtime/ort/cuda/test_node_placement.py::test_nodes_on_another_provider_are_outside",
    ),
    (README, "never both: the two wheels own the same files"): (
        "runtime/ort/test_library.py::test_both_wheels_at_once_are_an_error_with_the_cure",
    ),
    (COMMANDS, "No option is dropped"): (
        "runtime/commands/test_choices.py::test_an_option_reaches_the_act",
        "runtime/commands/test_choices.py::test_an_option_without_a_part_in_the_answer_is_refused",
    ),
    (README, "a row of int8 or fp32 is the same to the bit alone and in any batch"): (
        "runtime/ort/test_low_memory.py::test_a_row_does_not_depend_on_its_batch",
    ),
    (README, "and so is a row of bf16"): (
        "export/test_precision.py::test_a_row_is_the_same_to_the_bit_whatever_its_batch",
    ),
    (README, "and one of bf16, by AVX512-BF16 too"): (
        "export/test_exporter.py::test_float32_and_bf16_have_the_same_bits_by_each_set",
    ),
    (EXPORT, "in bf16 on such a processor, and in fp32 on others"): (
        "export/test_exporter.py::test_bf16_is_chosen_where_it_is_the_fastest_there_is",
    ),
    (EXPORT, "Others compute the same rows in float32, no faster than fp32"): (
        "export/test_exporter.py::test_bf16_is_told_by_its_operators_and_runs_without_them",
    ),
    (README, "leave their work to onnxruntime and numpy, slower; one line in the log"): (
        (
            "runtime/ort/test_native_operators.py"
            "::test_operators_that_cannot_be_loaded_leave_their_work_to_onnxruntime"
        ),
        (
            "runtime/ort/test_native_operators.py"
            "::test_a_compiled_module_that_cannot_be_loaded_leaves_its_work_to_numpy"
        ),
    ),
    (README, "`TWINLENS_NATIVE=required` makes it an error; `TWINLENS_PURE=1` asks for numpy"): (
        (
            "kernels/test_installation.py"
            "::test_required_kernels_that_are_missing_end_the_import_with_reason_and_cure"
        ),
        (
            "kernels/test_installation.py"
            "::test_pure_leaves_the_compiled_kernels_alone_and_required_is_content_with_them"
        ),
    ),
    (
        README,
        "a name that does not exist, or cannot run here, is an error that lists those that can",
    ): (
        "runtime/ort/test_native_operators.py::test_operators_that_do_not_exist_are_an_error",
        "runtime/ort/test_native_operators.py::test_operators_that_cannot_serve_here_are_an_error",
    ),
    (PROCESSES, "The weights of int8 are mapped once in a process"): (
        "export/test_shared_weights.py::test_sessions_share_one_map_which_goes_with_the_last",
        "export/test_shared_weights.py::test_a_second_session_adds_no_weights",
    ),
    (EXPORT, "A line on stderr tells how much is done, the step at work and the time left"): (
        "export/test_progress.py::test_an_export_plans_all_that_it_does",
    ),
    (README, "have cosines of 0.9997 and more"): (
        "runtime/test_provenance.py::test_rows_by_other_operators_are_as_close_as_said",
    ),
    (README, "another name whose rows differ is a warning in the log"): (
        "runtime/test_provenance.py::test_other_operators_are_a_warning_and_no_refusal",
        "runtime/ort/test_reproducible.py::test_operators_of_the_same_bits_are_no_difference",
    ),
    (README, "A row of an int8 bundle is the same to the bit by AVX2, AVX-VNNI and AVX-512 VNNI"): (
        "runtime/ort/test_one_answer.py::test_all_sets_give_the_same_bits",
        "kernels/isa/test_instruction_sets.py::test_older_x86_processors",
        "kernels/isa/test_instruction_sets.py::test_arm_processors",
        "export/graph/test_one_arithmetic.py::test_towers",
    ),
    (README, "so is a row of fp32"): (
        "export/test_exporter.py::test_float32_and_bf16_have_the_same_bits_by_each_set",
    ),
    (README, "`reproducible=True` is an error there"): (
        "runtime/ort/test_reproducible.py::test_the_answer_is_refused_where_nothing_gives_those_bits",
        (
            "runtime/ort/test_reproducible.py"
            "::test_a_bundle_of_which_onnxruntime_takes_some_sums_is_refused"
        ),
    ),
    (README, "Ids and order are those of a float64 brute force over the stored rows"): (
        "runtime/search/test_cosines.py::test_hits_are_those_of_brute_force_by_cosine",
        "kernels/test_search.py::test_every_search_equals_brute_force_on_any_finite_input",
    ),
    (README, "of equal cosines, the lower row comes first"): (
        "runtime/index/test_index.py::test_search_breaks_ties_by_the_lower_row",
    ),
    (README, "take 1.05 GB, or 0.53 GB without the residual"): (
        "runtime/index/coded/test_coded_index.py::test_it_takes_the_memory_that_is_told",
    ),
    (README, "`Hits.exact` is True only where ids"): (
        (
            "runtime/index/coded/test_coded_index.py"
            "::test_bounds_hold_and_proven_answers_are_those_of_brute_force"
        ),
        "runtime/commands/test_keep.py::test_cosines_come_with_their_errors",
    ),
    (README, "A killed writer leaves the old one or the new one"): (
        (
            "runtime/index/storage/test_killed_writers.py"
            "::test_a_killed_writer_leaves_the_old_index_or_the_new_one"
        ),
    ),
    (BULK, "Rows come out again, to the bit"): (
        "runtime/index/test_parquet_exchange.py::test_an_index_comes_back_to_the_bit",
        "runtime/index/test_read_back.py::test_blocks_are_those_of_the_call_whatever_changes_then",
        "runtime/index/test_update.py::test_merged_indexes_answer_as_one_that_was_built_of_all",
        "runtime/index/test_stateful.py::test_an_index_is_like_a_list_that_is_searched_by_brute_force",
    ),
    (BULK, "take them on in five lines each"): (
        "integrations/test_handoffs.py::test_a_block_of_the_document_finds_the_nearest",
    ),
    (README, "readers beside a writer see one of the two"): (
        "runtime/index/storage/test_disk.py::test_one_index_may_be_searched_while_it_is_changed",
    ),
    (README, "is found by `Index.open(..., verify=True)`"): (
        "runtime/index/storage/test_memory_map.py::test_verify_names_the_section_and_the_rows_that_changed",
    ),
    (README, "other towers are refused"): (
        "runtime/model/test_model.py::test_a_calibration_fitted_on_other_towers_is_refused",
    ),
    (README, "A load writes no file and asks no host"): (
        "runtime/ort/test_library.py::test_an_empty_home_stays_empty",
    ),
    (README, '`on_error="nan"` spares the others'): (
        "runtime/model/test_model.py::test_a_bad_image_becomes_nan_if_asked_and_spares_the_others",
    ),
    (MEASURE, "on your own pairs as they come"): (
        "runtime/datasets/test_layouts.py::test_the_output_of_img2dataset_is_read_in_each_layout",
        "runtime/datasets/test_layouts.py::test_the_captions_of_a_tar_may_be_in_its_json",
        (
            "runtime/datasets/test_layouts.py"
            "::test_the_captions_of_coco_are_read_with_all_captions_of_an_image"
        ),
        (
            "runtime/datasets/test_layouts.py"
            "::test_an_image_folder_of_hugging_face_is_read_by_its_metadata"
        ),
        "runtime/datasets/test_layouts.py::test_folders_of_classes_are_their_texts_and_classes",
    ),
    (COMMANDS, "is left out and named, and the exit code is 1"): (
        "runtime/commands/test_left_out.py::test_classify_labels_the_others",
        "runtime/commands/test_left_out.py::test_search_finds_for_the_others",
        "runtime/commands/test_left_out.py::test_match_answers_the_others",
        "runtime/commands/test_left_out.py::test_evaluate_measures_the_others",
        "runtime/commands/test_left_out.py::test_calibrate_fits_the_others",
    ),
    (COMMANDS, "So is a row of a table that is no pair"): (
        "runtime/commands/test_left_out.py::test_match_leaves_out_a_row_that_is_no_pair",
        "runtime/commands/test_left_out.py::test_evaluate_measures_the_others",
        "runtime/commands/test_left_out.py::test_calibrate_fits_the_others",
    ),
    (MEASURE, "A latency counts from the time at which the query was due"): (
        "runtime/benchmarking/test_loads.py::test_a_latency_counts_from_the_scheduled_arrival",
    ),
    (MEASURE, "VALID when there are enough queries to prove it (MLPerf's early stopping)"): (
        "runtime/benchmarking/test_measures.py::test_early_stopping_has_the_published_figures_of_loadgen",
        "runtime/benchmarking/test_loads.py::test_a_run_is_valid_once_early_stopping_says_so",
    ),
    (MEASURE, "Ctrl-C keeps the results so far"): (
        "runtime/benchmarking/test_bench_command.py::test_ctrl_c_keeps_what_is_known",
    ),
    (MEASURE, "runs that were not made alike are refused, with the differences"): (
        (
            "runtime/benchmarking/test_bench_command.py"
            "::test_runs_that_were_not_made_alike_are_refused"
        ),
    ),
    (MEASURE, "The exit code is 1 if something is slower"): (
        "runtime/benchmarking/test_bench_command.py::test_a_slower_run_is_told_by_the_exit_code",
        "runtime/benchmarking/test_bench_command.py::test_builds_in_turn_are_told_apart",
    ),
    (README, "is older than the code it measures"): (
        "bench/test_record.py::test_a_figure_older_than_its_code_is_marked",
        "bench/test_record.py::test_the_readme_is_as_the_command_writes_it",
    ),
    (PROCESSES, "A model may be loaded before a process forks"): (
        "runtime/test_forks.py::test_children_embed_to_the_bit_what_their_parent_does",
        "runtime/test_forks.py::test_a_fork_beside_a_thread_that_embeds_waits_for_its_run",
    ),
    (PROCESSES, "opens the same, unchanged bundle or says why it cannot"): (
        "runtime/model/test_pickling.py::test_another_process_gives_the_same_rows_with_the_same_options",
        "runtime/model/test_pickling.py::test_a_bundle_that_is_gone_or_was_changed_is_refused",
    ),
    (PROCESSES, "with `threads=1` they share one session a tower"): (
        "runtime/model/test_parts.py::test_threads_share_one_session_a_tower",
    ),
    (PROCESSES, "gives the memory of the towers back to the system"): (
        "runtime/model/test_closing.py::test_memory_goes_back_to_the_system_each_time",
    ),
    (PROCESSES, "a call that comes near it is a `MemoryError`"): (
        (
            "runtime/ort/test_address_space.py"
            "::test_a_limit_that_is_near_is_an_error_and_no_crash_and_no_hang"
        ),
    ),
    (BULK, "refuses an index that was made by another model or from other pixels"): (
        "runtime/test_provenance.py::test_another_making_is_refused_and_both_are_named",
    ),
    (BULK, "no row twice, none missing, each to the bit as without the interruption"): (
        "runtime/bulk/test_killed_jobs.py::test_a_job_that_was_killed_anywhere_goes_on",
        "runtime/bulk/test_job.py::test_a_job_that_was_cut_anywhere_goes_on",
    ),
    (BULK, "or in another dtype is refused, and the difference named"): (
        "runtime/bulk/test_job.py::test_a_folder_that_was_made_otherwise_is_refused",
        "runtime/bulk/test_job.py::test_another_model_is_refused_by_its_name",
    ),
    (BULK, "Other operators are a warning, and each part says which made it"): (
        "runtime/bulk/test_job.py::test_other_operators_are_a_warning_and_each_part_names_its_own",
    ),
    (BULK, "eight machines may write into one folder at once"): (
        "runtime/bulk/test_job.py::test_shards_share_a_folder_and_make_the_whole",
        "runtime/bulk/test_job.py::test_one_job_at_a_time_embeds_a_name",
    ),
    (BULK, "the lock of a process that died is free"): (
        "runtime/bulk/test_job.py::test_the_lock_and_the_drafts_of_a_dead_job_are_no_obstacle",
    ),
    (BULK, "28 bytes a name"): (
        (
            "runtime/bulk/test_name_table.py"
            "::test_a_name_costs_28_bytes_and_none_is_forgotten_in_growing"
        ),
    ),
    (BULK, "commits some thousand rows at a time, so it goes on likewise"): (
        "runtime/bulk/test_index_job.py::test_an_index_that_was_cut_anywhere_goes_on",
    ),
    (EXPORT, "A file that was changed afterwards is refused"): (
        "runtime/bundle/test_bundle.py::test_every_flipped_bit_of_a_manifest_is_refused_or_changes_nothing",
    ),
    (EXPORT, "is read by its letters"): (
        "export/verification/test_token_ids.py::test_no_text_contains_a_special_token",
        "export/verification/test_token_ids.py::test_a_tokenizer_that_reads_its_own_end_is_refused",
        "parity/test_tokenizers.py::test_a_mark_inside_a_text_stays_text",
    ),
    (EXPORT, "which the next one removes"): (
        "export/test_bundle_folder.py::test_the_draft_of_an_export_that_runs_is_left_alone",
    ),
    (EXPORT, "writes a bundle's towers as models of a Triton repository"): (
        "export/test_triton.py::test_the_configuration_is_tritons_and_fits_the_model",
        "export/test_triton.py::test_a_plain_onnxruntime_gives_the_rows_of_twinlens",
    ),
    (SERVE, "Rows are those of `embed_texts` and `embed_images` to the bit"): (
        "runtime/http/test_process.py::test_a_real_server_has_the_rows_of_the_model",
    ),
    (SERVE, "its clients, LlamaIndex's `OpenAIEmbedding` and LangChain's"): (
        "runtime/http/test_clients.py::test_openai_embeds_texts_in_base64_and_in_floats",
        "runtime/http/test_clients.py::test_llama_index_embeds_documents_and_queries",
        "runtime/http/test_clients.py::test_langchain_embeds_documents_and_queries",
    ),
    (SERVE, "What has no room is a 429 at once with `retry-after`"): (
        "runtime/http/test_process.py::test_a_flood_is_answered_200_or_429_and_is_over_when_it_ends",
        "runtime/serving/test_workers.py::test_admission_is_all_or_none_and_tells_when_to_come_again",
        "runtime/http/test_guards.py::test_a_request_that_no_queue_will_ever_hold_is_not_told_to_come_again",
    ),
    (SERVE, "a large interactive request has turns"): (
        (
            "runtime/serving/test_policy.py"
            "::test_thousands_of_interactive_texts_do_not_hold_up_single_ones"
        ),
        "runtime/serving/test_shares.py::test_a_large_interactive_request_is_passed_and_has_its_share",
    ),
    (SERVE, "shortens the 10 s, for a search's scan too"): (
        "runtime/http/service/test_scans.py::test_a_search_ends_with_its_time",
    ),
    (SERVE, "On Linux the system interrupts images and bulk work for a text"): (
        "runtime/serving/test_workers.py::test_a_text_has_a_worker_while_images_hold_all_others",
        "runtime/serving/test_policy.py::test_texts_with_a_lane_of_their_own_wait_for_no_image",
        "runtime/commands/test_choices.py::test_an_option_reaches_the_act",
    ),
    (SERVE, "Nothing more is computed for a client that has left"): (
        "runtime/http/test_process.py::test_a_client_that_leaves_is_not_computed_for",
    ),
    (SERVE, "No URL is fetched, no width is cut, no unknown field is dropped"): (
        "runtime/http/test_embeddings.py::test_no_url_is_fetched",
        "runtime/http/test_embeddings.py::test_a_bad_request_is_named_with_its_place_and_cure",
    ),
    (SERVE, "`--host` needs `--api-key-file` (one key a line) or `--no-auth`"): (
        "runtime/commands/test_choices.py::test_an_option_without_a_part_in_the_answer_is_refused",
        "runtime/http/test_guards.py::test_no_other_key_opens",
        "runtime/http/test_guards.py::test_a_page_that_calls_itself_localhost_is_refused",
    ),
    (SERVE, "every request that was accepted is answered"): (
        "runtime/http/test_lifecycle.py::test_sigterm_under_load_loses_nothing",
        "runtime/http/test_lifecycle.py::test_a_request_at_work_when_the_door_closes_is_answered",
        "runtime/http/test_lifecycle.py::test_requests_that_lie_unread_at_the_signal_are_answered",
    ),
    (SERVE, "a bad one changes nothing"): (
        (
            "runtime/http/test_lifecycle.py"
            "::test_sighup_changes_the_bundle_under_load_and_a_bad_one_changes_nothing"
        ),
    ),
    (SERVE, "It may be the first process of a container with a read-only disk"): (
        "runtime/http/test_lifecycle.py::test_the_first_process_on_a_read_only_disk_serves_and_drains",
    ),
    (SERVE, "are examples, which the tests compare with the command"): (
        "examples/test_container.py::test_the_command_is_one_of_twinlens",
        "examples/test_systemd.py::test_the_command_answers_on_systemds_socket_and_tells_when_it_is_ready",
    ),
    (BROWSE, "`fruit - apple` is the unit row of *fruit* less that of *apple*"): (
        "runtime/browsing/test_queries.py::test_the_row_is_the_unit_sum_less_the_others",
        (
            "runtime/browsing/test_hits.py"
            "::test_added_and_subtracted_words_have_a_cosine_and_no_probability"
        ),
    ),
    (BROWSE, "their prior is the number of matches you expect over all pictures"): (
        "runtime/browsing/test_hits.py::test_evidence_and_a_prior_are_the_probability",
        "runtime/browsing/test_browser.py::test_the_threshold_and_the_prior_are_those_of_the_calibration",
    ),
    (BROWSE, "a killed one goes on where it stopped"): (
        "runtime/browsing/test_freshness.py::test_a_killed_process_loses_no_commit",
    ),
    (BROWSE, "never among the pictures"): (
        (
            "runtime/browsing/test_freshness.py"
            "::test_the_cache_is_the_users_own_and_no_other_folder_is_taken"
        ),
        "runtime/browsing/test_browse_command.py::test_a_second_start_embeds_nothing_and_sigterm_ends_it_too",
    ),
    (BROWSE, "no path is taken from it, and the page asks no other host"): (
        "runtime/browsing/test_pictures.py::test_nothing_but_numbers_and_the_page_is_served",
        "runtime/browsing/test_pictures.py::test_the_page_asks_no_other_host",
    ),
    (README, "The level asked for is the level got, or an error"): (
        "runtime/model/test_levels.py::test_an_assumed_curve_serves_only_where_it_is_asked_for",
        (
            "runtime/model/test_levels.py"
            "::test_a_level_that_is_not_there_is_an_error_that_tells_those_that_are"
        ),
    ),
    (README, 'serves only where `level="assumed"` asks for it, and each output names it'): (
        "runtime/model/test_levels.py::test_tables_and_columns_name_an_assumed_level",
        "runtime/model/test_levels.py::test_the_command_line_names_an_assumed_level",
        (
            "runtime/http/test_joint_answers.py"
            "::test_match_of_a_service_of_an_assumed_level_names_it"
        ),
        (
            "runtime/browsing/test_hits.py"
            "::test_a_page_of_an_assumed_level_has_probabilities_and_names_it"
        ),
    ),
    (README, "Pairs of two pictures, or of two texts, have curves of their own"): (
        "runtime/calibration/test_same_pairs.py::test_the_curve_of_image_text_pairs_refuses_others",
    ),
    (IMAGES, "twinlens has the order of Pillow 13 with any Pillow"): (
        "parity/test_odd_sizes.py::test_a_crop_is_within_one_level_or_two_if_it_is_magnified",
    ),
    (IMAGES, '`PixelOptions(passes="width_first")` has the other'): (
        (
            "runtime/images/geometry/test_crop.py"
            "::test_the_other_order_is_the_width_first_of_every_picture"
        ),
        (
            "runtime/test_provenance.py"
            "::test_the_order_of_the_passes_is_a_choice_that_the_embeddings_tell"
        ),
    ),
}


def told(document: str) -> str:
    return " ".join((ROOT / document).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("document", "promise"), PROMISES)
def test_a_promise_is_told_and_has_its_tests(document: str, promise: str) -> None:
    assert promise in told(document)
    for test in PROMISES[document, promise]:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
        assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, test


def test_every_bullet_of_the_readme_has_a_promise_with_a_test() -> None:
    section = (ROOT / README).read_text(encoding="utf-8").split("## What it promises")[1]
    bullets = re.findall(
        r"^\* (.*?)(?=^\* |\Z)", section.split("\n## ")[0], re.MULTILINE | re.DOTALL
    )
    assert len(bullets) >= 7
    for bullet in bullets:
        words = " ".join(bullet.split())
        assert any(promise in words for document, promise in PROMISES if document == README), words
