"""MathCode-Pile as it was published: six components and their tokens (arXiv 2410.08196, table 1)."""

PUBLISHED_TOKENS = {
    "filtered_open_web_math": 4_826_902_621,
    "filtered_cc_en_math": 6_341_745_645,
    "synthetic": 2_193_189_314,
    "code_with_math_packages": 1_703_226_005,
    "textbooks": 1_390_268_773,
    "translated_mathematical_code": 2_728_740_985,
}
