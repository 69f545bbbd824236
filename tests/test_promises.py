"""The promises of the documents, each beside the tests that hold it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = "README.md"
IMAGES = "runtime/twinlens/images/IMAGES.md"
PROMISES: dict[tuple[str, str], tuple[str, ...]] = {
    (README, "is on CUDA or an error that names the cure"): (
        "runtime/ort/test_device_choice.py::test_cuda_on_a_cpu_wheel_is_an_error_with_the_cure",
        "runtime/ort/test_device_choice.py::test_a_silent_fall_back_to_the_cpu_is_an_error",
        "runtime/commands/test_choices.py::test_evaluate_on_a_device_that_is_not_there_is_an_error",
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
    (README, "An option reaches the act or is refused"): (
        "runtime/commands/test_choices.py::test_an_option_reaches_the_act",
        "runtime/commands/test_choices.py::test_an_option_without_a_part_in_the_answer_is_refused",
    ),
    (README, "a row of int8 or fp32 is the same to the bit alone and in any batch"): (
        "runtime/ort/test_low_memory.py::test_a_row_does_not_depend_on_its_batch",
    ),
    (README, "have cosines of 0.9998 and more"): (
        "runtime/test_provenance.py::test_rows_by_other_operators_are_as_close_as_said",
    ),
    (README, "another name beside an index is a warning in the log"): (
        "runtime/test_provenance.py::test_other_operators_are_a_warning_and_no_refusal",
    ),
    (README, "Ids and order are those of a float64 brute force over the stored rows"): (
        "runtime/search/test_cosines.py::test_hits_are_those_of_brute_force_by_cosine",
        "kernels/test_search.py::test_every_search_equals_brute_force_on_any_finite_input",
    ),
    (README, "of equal cosines, the lower row comes first"): (
        "runtime/index/test_index.py::test_search_breaks_ties_by_the_lower_row",
    ),
    (README, "A killed writer leaves the old one or the new one"): (
        (
            "runtime/index/storage/test_killed_writers.py"
            "::test_a_killed_writer_leaves_the_old_index_or_the_new_one"
        ),
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
    (README, "A model may be loaded before a process forks"): (
        "runtime/test_forks.py::test_children_embed_to_the_bit_what_their_parent_does",
        "runtime/test_forks.py::test_a_fork_beside_a_thread_that_embeds_waits_for_its_run",
    ),
    (README, "opens the same, unchanged bundle or says why it cannot"): (
        "runtime/model/test_pickling.py::test_another_process_gives_the_same_rows_with_the_same_options",
        "runtime/model/test_pickling.py::test_a_bundle_that_is_gone_or_was_changed_is_refused",
    ),
    (README, "with `threads=1` they share one session a tower"): (
        "runtime/model/test_parts.py::test_threads_share_one_session_a_tower",
    ),
    (README, "gives the memory of the towers back to the system"): (
        "runtime/model/test_closing.py::test_memory_goes_back_to_the_system_each_time",
    ),
    (README, "refuses an index that was made by another model or from other pixels"): (
        "runtime/test_provenance.py::test_another_making_is_refused_and_both_are_named",
    ),
    (README, "A file that was changed afterwards is refused"): (
        "runtime/bundle/test_bundle.py::test_every_flipped_bit_of_a_manifest_is_refused_or_changes_nothing",
    ),
    (README, "which the next one removes"): (
        "export/test_bundle_folder.py::test_the_draft_of_an_export_that_runs_is_left_alone",
    ),
    (README, "Rows are those of `embed_texts` and `embed_images` to the bit"): (
        "runtime/http/test_process.py::test_a_real_server_has_the_rows_of_the_model",
    ),
    (README, "its clients, LlamaIndex's `OpenAIEmbedding` and LangChain's"): (
        "runtime/http/test_clients.py::test_openai_embeds_texts_in_base64_and_in_floats",
        "runtime/http/test_clients.py::test_llama_index_embeds_documents_and_queries",
        "runtime/http/test_clients.py::test_langchain_embeds_documents_and_queries",
    ),
    (README, "What has no room is a 429 at once with `retry-after`"): (
        "runtime/http/test_process.py::test_a_flood_is_answered_200_or_429_and_is_over_when_it_ends",
        "runtime/serving/test_workers.py::test_admission_is_all_or_none_and_tells_when_to_come_again",
        "runtime/http/test_guards.py::test_a_request_that_no_queue_will_ever_hold_is_not_told_to_come_again",
    ),
    (README, "a client that leaves is not computed for"): (
        "runtime/http/test_process.py::test_a_client_that_leaves_is_not_computed_for",
    ),
    (README, "No URL is fetched, no width is cut, no unknown field is dropped"): (
        "runtime/http/test_embeddings.py::test_no_url_is_fetched",
        "runtime/http/test_embeddings.py::test_a_bad_request_is_named_with_its_place_and_cure",
    ),
    (README, "`--host` needs `--api-key-file` (one key a line) or `--no-auth`"): (
        "runtime/commands/test_choices.py::test_an_option_without_a_part_in_the_answer_is_refused",
        "runtime/http/test_guards.py::test_no_other_key_opens",
        "runtime/http/test_guards.py::test_a_page_that_calls_itself_localhost_is_refused",
    ),
    (README, "every request that was accepted is answered"): (
        "runtime/http/test_lifecycle.py::test_sigterm_under_load_loses_nothing",
        "runtime/http/test_lifecycle.py::test_a_request_at_work_when_the_door_closes_is_answered",
    ),
    (README, "a bad one changes nothing"): (
        (
            "runtime/http/test_lifecycle.py"
            "::test_sighup_changes_the_bundle_under_load_and_a_bad_one_changes_nothing"
        ),
    ),
    (IMAGES, "twinlens has the order of Pillow 13 with any Pillow"): (
        "parity/test_odd_sizes.py::test_a_crop_is_within_one_level_or_two_if_it_is_magnified",
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
